"""What an instance counts, and what it tells the fleet."""
