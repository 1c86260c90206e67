"""A small drill: killed workers and failing calls."""
