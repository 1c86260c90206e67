"""Shared by the tests: a recording server, a browser, the search for leaked secrets."""
