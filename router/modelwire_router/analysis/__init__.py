"""What the numbers say of a candidate: pure judgements of telemetry, with their numbers."""
