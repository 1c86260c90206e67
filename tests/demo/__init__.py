"""The demo: flow, ledger, vault, settings, pages in a browser, databases."""
