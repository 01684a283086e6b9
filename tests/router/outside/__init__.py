"""What is asked of others and told them."""
