"""Verbs that change which version answers: apply, flip, split, undo."""
