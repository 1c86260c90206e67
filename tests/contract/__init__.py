"""The contract: tests for each framework and client, many of them for the social backend too."""
