"""A member of a consumer group, whichever keeper holds the group: polls, hands over, commits."""

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from modelwire_log.contract import Group, Message, Place, Position, Record
from modelwire_schemas.errors import Conflict, Corrupt, Unavailable

LOOK_AGAIN_S = 0.1
"""How often a waiting member looks for dead members and missed notices."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a member holds, and which part of it another member waits for."""

    held: frozenset[Place]
    wanted: frozenset[Place]


def fenced(group: str, place: Place) -> Conflict:
    """Return the error of a member that acts on a place it does not hold."""
    return Conflict(
        "E_FENCED",
        f"this member of group {group} does not hold {place}",
        todo="drop what was read of it; its owner reads it again from the committed position",
    )


class Desk(Protocol):
    """Where the keeper writes down what one member does."""

    def share(self) -> Share:
        """Return what the member holds; joins the group, again if it was put out."""
        ...

    def hand_over(self, places: Iterable[Place]) -> None:
        """Give places to those who wait for them."""
        ...

    def begin(self, places: Iterable[Place]) -> list[Position]:
        """Return where to go on; what has no position gets one by the group's `begin`."""
        ...

    def commit(self, positions: Sequence[Position], outputs: Sequence[tuple[str, Message]]) -> None:
        """Append and store in one transaction; raises Conflict `E_FENCED`."""
        ...

    def leave(self) -> None:
        """Take the member out of the group."""
        ...

    def ends(self, places: Iterable[Place]) -> Mapping[Place, int]:
        """Return the last offsets of the places."""
        ...

    def read(self, place: Place, after: int, limit: int) -> list[Record]:
        """Read as the log does."""
        ...

    def notices(self) -> int:
        """Return how many notices of appends were heard."""
        ...

    def listen(self, heard: int, timeout: float) -> None:
        """Return when more than `heard` notices were heard, at the latest after `timeout` s."""
        ...


class Member:
    """A Consumer over a Desk. The positions that it goes on from are its own until committed."""

    def __init__(self, desk: Desk, group: Group) -> None:
        self._desk = desk
        self._group = group
        self._after: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._share = Share(frozenset(), frozenset())
        self._turn = 0
        self._closed = False

    def poll(self, limit: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        while not self._closed:
            heard = self._desk.notices()
            self._follow_share()
            records = self._fetch(limit)
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            self._desk.listen(heard, min(left, LOOK_AGAIN_S))
        return []

    def assignment(self) -> frozenset[Place]:
        return frozenset(self._after)

    def pause(self, places: Iterable[Place]) -> None:
        self._paused.update(places)

    def resume(self, places: Iterable[Place]) -> None:
        self._paused.difference_update(places)

    def seek(self, place: Place, after: int) -> None:
        if place not in self._after:
            raise fenced(self._group.name, place)
        self._after[place] = after

    def commit(
        self, positions: Sequence[Position], outputs: Sequence[tuple[str, Message]] = ()
    ) -> None:
        self._desk.commit(positions, outputs)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with contextlib.suppress(Unavailable):  # the others find out by themselves
                self._desk.leave()

    def _follow_share(self) -> None:
        share = self._desk.share()
        if share is self._share:
            return
        self._forget(frozenset(self._after) - share.held)
        if share.wanted:
            self._give(share.wanted)
            share = self._desk.share()
        come = sorted(share.held - self._after.keys(), key=lambda p: (p.stream, p.partition))
        if come:
            positions = self._desk.begin(come)
            self._after.update((p.place, p.after) for p in positions)
            try:
                self._group.on_assigned(positions)
            except BaseException:
                self._drop(come)  # so that the next poll tells of them again
                raise
        self._share = share

    def _forget(self, lost: frozenset[Place]) -> None:
        """Tell of places that went to others meanwhile: what is committed for them is fenced."""
        if not lost:
            return
        try:
            self._group.on_revoked(sorted(lost, key=str))
        except Conflict as error:
            if error.code != "E_FENCED":
                raise
        self._drop(lost)

    def _give(self, wanted: frozenset[Place]) -> None:
        known = wanted & self._after.keys()
        if known:
            self._group.on_revoked(sorted(known, key=str))
        self._desk.hand_over(wanted)
        self._drop(wanted)

    def _drop(self, places: Iterable[Place]) -> None:
        for place in places:
            self._after.pop(place, None)
            self._paused.discard(place)

    def _fetch(self, limit: int) -> list[Record]:
        """Read in turns, so that a busy partition does not keep the others waiting."""
        records: list[Record] = []
        places = [p for p in self._after if p not in self._paused]
        ends = self._desk.ends(places)
        self._turn += 1
        start = self._turn % len(places) if places else 0
        for place in places[start:] + places[:start]:
            if len(records) == limit:
                break
            if ends.get(place, -1) > self._after[place]:
                try:
                    some = self._desk.read(place, self._after[place], limit - len(records))
                except Corrupt:
                    if records:
                        break
                    raise
                if some:
                    self._after[place] = some[-1].offset
                    records += some
        return records
