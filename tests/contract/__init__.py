"""The contract: tests that each framework, each client and the social backend must pass."""
