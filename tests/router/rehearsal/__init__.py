"""A candidate and the stable version on events that were."""
