"""Tests of the python-social-auth backend, in memory and in a Django project."""
