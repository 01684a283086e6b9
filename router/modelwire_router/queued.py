"""How many events still wait to be scored, by group: they follow the rules of their own time."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelwire_log.contract import Log


@dataclass(frozen=True, slots=True)
class Queued:
    """Events that a group has not scored yet."""

    group: str
    stream: str
    events: int


def queued(log: Log) -> Sequence[Queued]:
    """Return how far every group is behind, streams by name."""
    found: dict[tuple[str, str], int] = {}
    for group in log.groups():
        for position in log.positions(group):
            behind = max(0, log.end(position.place) - position.after)
            key = (group, position.place.stream)
            found[key] = found.get(key, 0) + behind
    return [Queued(group, stream, events) for (group, stream), events in sorted(found.items())]
