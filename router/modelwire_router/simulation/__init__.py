"""Rollouts in virtual time: the real fold, decisions and analysis on telemetry that is drawn."""
