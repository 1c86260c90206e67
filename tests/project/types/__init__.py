"""Modules that only type checkers read."""
