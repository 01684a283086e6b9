"""Rollouts in virtual time."""
