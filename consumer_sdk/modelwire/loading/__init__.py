"""From release to memory: fetch, verify, probe, load, and give the memory back."""
