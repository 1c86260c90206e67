"""The traps that stock Authlib falls into, each beside our own behaviour."""
