"""How a call is sent: the clients' settings, the shared refresh, and the connections."""
