"""Tests of the repository: docs, examples, types, imports, the wheel, the test set-up itself."""
