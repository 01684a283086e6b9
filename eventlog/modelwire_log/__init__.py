"""Where it travels: one log contract and its keepers in memory, SQLite and Kafka."""
