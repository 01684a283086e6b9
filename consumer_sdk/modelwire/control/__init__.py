"""The control log, folded: what is live, from when on, and how it came to be."""
