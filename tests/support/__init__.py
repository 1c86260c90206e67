"""Shared by the tests: a recording server, a browser, the watch for leaked secrets."""
