"""Builds the requests to KuCoin and reads its answers, without any I/O."""
