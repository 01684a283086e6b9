"""Models that tests build: good ones of every kind, and files that no consumer may trust."""
