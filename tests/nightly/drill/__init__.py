"""Tests of the drills, and of single crashes: of a worker, and of the database."""
