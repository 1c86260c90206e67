"""All tests. `make nightly` runs nightly, clients and what is marked so; `make test` the rest."""
