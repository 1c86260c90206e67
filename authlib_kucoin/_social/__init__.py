"""Code of the backend for python-social-auth: turns errors into social-core's."""
