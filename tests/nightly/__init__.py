"""What measures rather than tests; `make nightly` runs it."""
