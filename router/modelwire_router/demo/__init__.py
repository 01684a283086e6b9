"""The demo: real flights are scored while versions are released, split and undone."""
