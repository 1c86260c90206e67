"""What the repository promises: docs, examples, types, the wheel, the tests' own frame."""
