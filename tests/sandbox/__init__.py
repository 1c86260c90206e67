"""Tests of the sandbox: over raw sockets, in a browser, and with real clients."""
