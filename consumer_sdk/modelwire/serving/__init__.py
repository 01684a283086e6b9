"""Which version answers: the snapshot that events read, and the way through it and back."""
