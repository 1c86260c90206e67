"""Tests of pure functions, values and the shared refresh, mostly without a socket."""
