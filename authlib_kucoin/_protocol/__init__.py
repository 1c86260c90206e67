"""What KuCoin says and hears. Nothing in here does I/O."""
