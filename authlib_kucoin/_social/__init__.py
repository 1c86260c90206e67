"""The errors that the backend of python-social-auth raises."""
