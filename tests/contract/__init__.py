"""The contract: tests of every framework and client, and of the social backend."""
