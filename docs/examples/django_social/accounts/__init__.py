"""Users and their KuCoin keys."""
