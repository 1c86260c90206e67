"""Part of the python-social-auth backend: turns our errors into those of social-core."""
