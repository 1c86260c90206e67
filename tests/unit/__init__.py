"""Tests of functions, values, clients and the shared refresh, mostly without a server."""
