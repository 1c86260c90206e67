"""Tests of the demo: flow, ledger, vault, settings, pages in a browser, databases."""
