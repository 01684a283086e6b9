"""What an instance measured: counts and sketches by route, version, variant and window of time.

Reports are cumulative by incarnation and window: of two reports on one window the newer one holds,
and windows of several incarnations add up. Everything here can be added up.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

BIN_BITS = 14
"""Bits of a float32 that say in which bin a value falls."""

BINS = 1 << BIN_BITS
_REST = 32 - BIN_BITS


SHADOW_VARIANT = "shadow"
"""The variant of a shadow's windows."""


class Role(StrEnum):
    """Whether a version answers, or only runs beside."""

    LIVE = "live"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values fell into one bin of a sketch.

    A bin is the upper 14 bits of the value as a float32 (sign, exponent, 5 bits of mantissa), so a
    value is known within 3 % and everyone has the same bins.
    """

    index: int
    count: int


def bounds(index: int) -> tuple[float, float]:
    """Return the values of a bin that lie nearest to zero and farthest from it."""
    low, high = struct.unpack("<2f", struct.pack("<2I", index << _REST, (index + 1 << _REST) - 1))
    return low, high


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sum of squared deviations of finite values; `odd` counts NaN and infinity."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    odd: int = 0


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Sketch:
    """How values are distributed."""

    moments: Moments = Moments()
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """The distribution of one output (of its first element, where it has several)."""

    name: str
    sketch: Sketch


@dataclass(frozen=True, slots=True)
class Pair:
    """A shadow's output against the live one of the same events, by output.

    `difference` is shadow minus live; `live` and `shadow` are their own distributions over the
    same events; `unequal` counts outputs that differ by more than 1e-6 (text: at all). Of the
    `compared` events `changed` are those that would be decided otherwise: the output lies on the
    other side of the shadow's threshold; without one, it is unequal.
    """

    output: str
    against: str
    difference: Sketch
    live: Sketch
    shadow: Sketch
    unequal: int = 0
    compared: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of predictions whose label has come, by output.

    For labels 0 and 1: sums of log loss and squared error, and the score's bins for either label.
    For numbers: the distribution of the absolute error.
    """

    output: str
    labels: int = 0
    log_loss: Moments = Moments()
    squared_error: Moments = Moments()
    absolute_error: Moments = Moments()
    positives: tuple[Bin, ...] = ()
    negatives: tuple[Bin, ...] = ()


class WindowKey(NamedTuple):
    """What no other window of an incarnation has; times in ms."""

    route: str
    model: str
    version: str
    variant: str
    role: Role
    revision: int
    start: int
    span: int


@dataclass(frozen=True, slots=True)
class Window:
    """What one version did for one variant of a route in [`start`, `start` + `span`) of event time.

    `predictions` are events that the version answered as routed; `substituted` those that another
    version answered; `routed` all that the rules sent here, which the sample ratio counts. `role`
    is `live` or `shadow`; a shadow's variant is named `shadow`, its `routed` are the events that it
    was given. `latency` is in µs a row. Where events are spread thin windows are longer.
    """

    route: str
    model: str
    version: str
    variant: str
    role: Role
    revision: int
    start: int
    span: int
    routed: int = 0
    predictions: int = 0
    substituted: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    latency: Sketch = Sketch()
    outputs: tuple[Output, ...] = ()
    inputs: tuple[Output, ...] = ()
    pairs: tuple[Pair, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    @property
    def key(self) -> WindowKey:
        """What no other window of an incarnation has."""
        return WindowKey(
            self.route,
            self.model,
            self.version,
            self.variant,
            self.role,
            self.revision,
            self.start,
            self.span,
        )


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One instance's report on a route: windows as they stand, and the shadow work it dropped.

    `dropped` counts, by the shadow's version, events that it was spared; those of an own loop as
    they are, before a sample is drawn from them.
    """

    instance: str
    incarnation: str
    application: str
    offset: int
    windows: tuple[Window, ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()
