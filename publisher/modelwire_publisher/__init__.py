"""How a version is released: checked, stored and announced by one record."""
