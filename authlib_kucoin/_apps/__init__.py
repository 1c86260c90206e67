"""The code that registered apps of all frameworks share."""
