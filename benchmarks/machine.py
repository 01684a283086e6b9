"""The shape of the machine that figures were measured on."""

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("onnxruntime", "numpy", "confluent-kafka", "click", "orjson", "mmh3", "google-crc32c")


def shape() -> str:
    """Return processor, memory, versions and load, as a few lines of text."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {_processor()}, {os.cpu_count()} cores, "
        f"{total:.0f} GB; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}; "
        f"{load()} at the start."
    )


def load() -> str:
    """Return how many processes wanted to run lately: near 0 on a quiet machine."""
    return f"load {os.getloadavg()[0]:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
