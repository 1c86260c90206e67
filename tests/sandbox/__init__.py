"""The sandbox, over raw sockets and with real clients."""
