"""A bad version, planted on purpose, and how soon a rollout file takes it back."""
