"""How a call is sent: settings, the shared refresh, connections."""
