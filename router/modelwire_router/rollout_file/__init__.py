"""Rollout files: YAML that an operator writes, compiled to plans; pure but for reading the file."""
