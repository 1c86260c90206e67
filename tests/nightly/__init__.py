"""Slow tests of memory, growth, benchmarks and the drill; `make nightly` runs them."""
