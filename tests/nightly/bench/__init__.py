"""Connections, round trips, memory: what `make bench` measures, asserted."""
