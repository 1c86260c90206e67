"""What the tests share: a recording server, a browser, the watch for secrets."""
