"""Slow tests, for example of memory, growth and the drill; `make nightly` runs them."""
