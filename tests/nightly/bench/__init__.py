"""Tests that memory does not grow, and that the benchmarks run."""
