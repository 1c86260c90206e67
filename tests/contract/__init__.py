"""The contract: what holds for every framework and client and for the social backend."""
