"""What telemetry must keep: counts of zero or more, finite numbers, bins in order, one route."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any as Anything

from modelwire_schemas import names
from modelwire_schemas.bounds import at_least, finite, word
from modelwire_schemas.errors import Rejected
from modelwire_schemas.telemetry import (
    BINS,
    Bin,
    Moments,
    Outcome,
    Output,
    Pair,
    Sketch,
    Telemetry,
    Window,
    bounds,
)


def _bin(one: Bin) -> None:
    at_least(1, "count", one.count)
    if not 0 <= one.index < BINS or not all(map(math.isfinite, bounds(one.index))):
        raise Rejected("E_RANGE", f"bin {one.index}", expected="14 bits of a finite float32")


def _bins(bins: tuple[Bin, ...]) -> int:
    """Require that bins rise, so that each stands once; return how many values they hold."""
    if any(a.index >= b.index for a, b in pairwise(bins)):
        raise Rejected("E_DUPLICATE", "bins do not rise", expected="each once, lowest first")
    return sum(one.count for one in bins)


def _moments(moments: Moments) -> None:
    at_least(0, "count", moments.count, moments.odd)
    finite("mean", [moments.mean])
    finite("squares", [moments.squares])
    if moments.squares < 0:
        raise Rejected("E_RANGE", f"squares are {moments.squares}", expected="0 or more")


def _sketch(sketch: Sketch) -> None:
    held = _bins(sketch.bins)
    if sketch.bins and held != sketch.moments.count:
        count = sketch.moments.count
        raise Rejected("E_RANGE", f"bins hold {held} values", expected=f"{count}, as its moments")


def _output(output: Output) -> None:
    word("output", output.name, least=1)


def _pair(pair: Pair) -> None:
    word("output", pair.output, least=1)
    names.version(pair.against)
    at_least(0, "unequal, compared or changed", pair.unequal, pair.compared, pair.changed)


def _outcome(outcome: Outcome) -> None:
    word("output", outcome.output, least=1)
    at_least(0, "labels", outcome.labels)
    held = _bins(outcome.positives) + _bins(outcome.negatives)
    if held > outcome.labels:
        raise Rejected("E_RANGE", f"bins hold {held} labels", expected=f"at most {outcome.labels}")


def _window(window: Window) -> None:
    for kind in ("route", "model", "variant"):
        names.name(kind, getattr(window, kind))
    names.version(window.version)
    at_least(0, "revision or start", window.revision, window.start)
    at_least(1, "span", window.span)
    if window.start % window.span:
        raise Rejected(
            "E_RANGE", f"a window from {window.start}", expected="a multiple of its span"
        )
    at_least(0, "count", window.predictions, window.substituted)
    at_least(window.predictions + window.substituted, "routed", window.routed)
    for code, count in window.errors:
        word("code", code, least=1)
        at_least(1, "count", count)


def _telemetry(telemetry: Telemetry) -> None:
    for kind in ("instance", "incarnation"):
        word(kind, getattr(telemetry, kind), least=1)
    word("application", telemetry.application)
    at_least(-1, "offset", telemetry.offset)
    routes = {window.route for window in telemetry.windows}
    if len(routes) != 1:
        raise Rejected("E_ROUTE", f"windows of {len(routes)} routes", expected="one route a report")
    if len({window.key for window in telemetry.windows}) < len(telemetry.windows):
        raise Rejected("E_DUPLICATE", "two windows of one version, variant, role and time")
    for version, count in telemetry.dropped:
        names.version(version)
        at_least(0, "dropped", count)


TELEMETRY_CHECKS: Mapping[object, Callable[[Anything], None]] = {
    Bin: _bin,
    Moments: _moments,
    Outcome: _outcome,
    Output: _output,
    Pair: _pair,
    Sketch: _sketch,
    Telemetry: _telemetry,
    Window: _window,
}
