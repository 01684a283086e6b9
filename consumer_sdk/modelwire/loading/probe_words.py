"""What application, helper and child say to each other about a probe."""

from dataclasses import dataclass

MESSAGE = 64 * 1024
"""Bytes of a message, at most; what is asked and answered travels in files."""

DONE = b"done"
"""What the child says when its result is written, before its memory is taken down."""


@dataclass(frozen=True, slots=True)
class Order:
    """A probe's bounds: seconds on the clock, threads, and the bytes of its artifact."""

    seconds: float
    threads: int
    size: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a probe's process ended: 0 when its result is there, else exit code or minus signal.

    `peak` is its largest resident size in bytes; `noise` the end of what it printed.
    """

    status: int
    timed_out: bool
    peak: int
    noise: str
