"""Clients of KuCoin in other languages, and first steps as printed: heavy, so they run apart."""
