"""The code that the registered apps of all frameworks share."""
