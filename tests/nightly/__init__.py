"""Slow tests: memory, growth, benchmarks, the drill, built docs; `make nightly` runs them."""
