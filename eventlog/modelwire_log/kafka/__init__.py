"""A log on Kafka."""
