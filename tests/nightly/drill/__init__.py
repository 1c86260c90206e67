"""Tests of the drills, of failures of a worker or the database, and of checks of many keys."""
