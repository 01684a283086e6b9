"""Scoring a stream: read a batch, ask the route, write outputs, commit, in order."""
