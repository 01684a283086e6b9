"""What modelwire costs, measured beside what one would write by hand."""
