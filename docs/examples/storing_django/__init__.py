"""An application for Django that keeps keys and tokens."""
