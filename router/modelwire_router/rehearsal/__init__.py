"""A candidate and the stable version on the same events that were, without traffic."""
