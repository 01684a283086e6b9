"""Telemetry made by hand: windows of two versions, as consumers would report them."""

from collections.abc import Sequence

import numpy as np

from modelwire_schemas.telemetry import Bin, Moments, Output, Role, Sketch, Telemetry, Window

ROUTE, MODEL = "delays", "flights"
SPAN = 10_000
T0 = 1_700_000_000_000


def window(
    version: str,
    place: int = 0,
    *,
    events: int = 0,
    errors: int = 0,
    routed: int | None = None,
    revision: int = 2,
    role: Role = Role.LIVE,
    latency: Sketch | None = None,
    outputs: tuple[Output, ...] = (),
) -> Window:
    """Return the window number `place`: so many events, so many of them failed."""
    return Window(
        route=ROUTE,
        model=MODEL,
        version=version,
        variant=f"v{version}",
        role=role,
        revision=revision,
        start=T0 + place * SPAN,
        span=SPAN,
        routed=events if routed is None else routed,
        predictions=events - errors,
        errors=(("E_MODEL", errors),) if errors else (),
        latency=latency or Sketch(),
        outputs=outputs,
    )


def report(
    *windows: Window, instance: str = "a", incarnation: str = "a1", offset: int = 7
) -> Telemetry:
    return Telemetry(instance, incarnation, "app", offset, windows)


def sketch(values: Sequence[float]) -> Sketch:
    """Return the sketch of these values, as an instance would make it."""
    numbers = np.asarray(values, dtype=np.float64)
    upper = numbers.astype(np.float32).view(np.uint32) >> 18
    indices, counts = np.unique(upper, return_counts=True)
    mean = float(numbers.mean()) if len(numbers) else 0.0
    return Sketch(
        Moments(len(numbers), mean, float(((numbers - mean) ** 2).sum())),
        tuple(Bin(int(i), int(c)) for i, c in zip(indices, counts, strict=True)),
    )
