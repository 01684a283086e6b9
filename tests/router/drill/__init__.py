"""What a drill makes of a file and a model, and when it has passed."""
