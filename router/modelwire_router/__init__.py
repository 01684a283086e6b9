"""How traffic is decided: routing changes, views and the command line."""
