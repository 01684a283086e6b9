"""What the controller asks of others and tells them, by http."""
