"""The drill of killed workers and failing calls, in small."""
