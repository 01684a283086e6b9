"""A log in memory: for tests, and for virtual time."""
