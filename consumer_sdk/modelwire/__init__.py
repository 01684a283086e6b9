"""What an application embeds: versions that swap under a running stream."""

__version__ = "0.1.0"
