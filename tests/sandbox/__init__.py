"""Tests of the sandbox, and of the container files for the sandbox and the demo."""
