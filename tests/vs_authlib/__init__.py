"""What stock Authlib does wrong with KuCoin, next to what this package does."""
