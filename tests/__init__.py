"""All tests.

`make nightly` runs the folders nightly and clients, and tests marked as `nightly`. `make test` runs
the other tests.
"""
