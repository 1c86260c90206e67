"""Helpers that many tests share, such as a recording server or the search for leaked secrets."""
