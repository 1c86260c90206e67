"""Other clients of KuCoin, and the documentation's first tests; slow, so part of `make nightly`."""
