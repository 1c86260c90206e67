"""The requests to KuCoin, and its answers. Nothing in here does I/O."""
