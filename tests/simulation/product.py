"""The product's own functions that a simulation runs, so that a test may hand in broken ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from modelwire.control.fold import fold
from modelwire.control.follower import Follower
from modelwire.control.state import Accepted, Entry, RouteState, State, Verdict
from modelwire.control.timeline import in_force, mixed
from modelwire.routing.ranges import Weight, reweigh
from modelwire.scoring.lanes import Lane, overlooked, taken_over
from modelwire_log.contract import Position
from modelwire_schemas.routing import Variant

Read: TypeAlias = Callable[[], Sequence[Accepted]]
Fold: TypeAlias = Callable[[State, Iterable[Entry]], tuple[State, list[Verdict]]]


@dataclass(frozen=True, slots=True)
class Product:
    """What decides, as it ships."""

    fold: Fold = fold
    in_force: Callable[[RouteState, int, int], Accepted | None] = in_force
    mixed: Callable[[RouteState, int, int], bool] = mixed
    taken_over: Callable[[Position], Lane] = taken_over
    overlooked: Callable[[Iterable[Lane], State, str, Read], list[str]] = overlooked
    reweigh: Callable[[Sequence[Variant], Sequence[Weight]], tuple[Variant, ...]] = reweigh
    follower: type[Follower] = Follower


SHIPPED = Product()
