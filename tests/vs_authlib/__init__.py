"""Traps in stock Authlib, side by side with what this package does."""
