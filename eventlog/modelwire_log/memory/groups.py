"""A member of a group of a log in memory: its lines in the store's books."""

import uuid
from collections.abc import Iterable, Mapping, Sequence

from modelwire_log.contract import Group, Message, Place, Position, Record
from modelwire_log.member import Share, fenced
from modelwire_log.memory.store import Members, Store


class MemoryDesk:
    """A Desk in a MemoryLog."""

    def __init__(self, store: Store, group: Group) -> None:
        self._store = store
        self._group = group
        self._me = uuid.uuid4().hex

    def share(self) -> Share:
        with self._store.here():
            members = self._store.groups.setdefault(self._group.name, Members())
            if self._me not in members.streams:
                members.streams[self._me] = frozenset(self._group.streams)
                self._share_out(members)
            return members.shares[self._me]

    def hand_over(self, places: Iterable[Place]) -> None:
        with self._store.here():
            members = self._members()
            for place in places:
                members.held[place] = members.heirs[place]
            self._share_out(members)

    def begin(self, places: Iterable[Place]) -> list[Position]:
        with self._store.here():
            known = self._members().positions
            for place in places:
                if place not in known and self._group.begin != "start":
                    known[place] = Position(place, self._first(place) - 1)
            return [known.get(place, Position(place, -1)) for place in places]

    def commit(self, positions: Sequence[Position], outputs: Sequence[tuple[str, Message]]) -> None:
        with self._store.here():
            members = self._members()
            for position in positions:
                if members.held.get(position.place) != self._me:
                    raise fenced(self._group.name, position.place)
            self._store.put(outputs)
            members.positions.update((p.place, p) for p in positions)

    def leave(self) -> None:
        with self._store.here():
            members = self._members()
            if members.streams.pop(self._me, None) is not None:
                self._share_out(members)

    def ends(self, places: Iterable[Place]) -> Mapping[Place, int]:
        with self._store.here():
            return {place: len(self._store.records(place)) - 1 for place in places}

    def read(self, place: Place, after: int, limit: int) -> list[Record]:
        with self._store.here():
            return self._store.read(place, after, limit)

    def notices(self) -> int:
        return self._store.notices

    def listen(self, heard: int, timeout: float) -> None:
        with self._store.here():
            self._store.wait_for(lambda: self._store.notices > heard, timeout)

    def _members(self) -> Members:
        return self._store.groups[self._group.name]

    def _share_out(self, members: Members) -> None:
        members.share_out(self._store.places())
        self._store.ring()

    def _first(self, place: Place) -> int:
        if isinstance(self._group.begin, int):
            return self._store.offset_at(place, self._group.begin)
        return len(self._store.records(place))
