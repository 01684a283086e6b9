"""Which events a shadow gets: those that match, by the bucket of their key under its own salt."""

from collections.abc import Mapping, Sequence

from modelwire.routing.hashing import salted
from modelwire.routing.keys import Coordinates, coordinate_bytes, key_bytes
from modelwire.routing.predicate import Test, compile_predicate
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, Shadow

Fields = Mapping[str, object]

_NOTHING: Fields = {}


class Sample:
    """A checked shadow, ready to be asked. `reads` says whether it looks at fields of events.

    `thresholds` are those at which outputs are decided, by name.
    """

    __slots__ = ("_prefix", "_share", "_test", "reads", "thresholds", "version")

    def __init__(self, shadow: Shadow) -> None:
        self.version = shadow.version
        self.thresholds = dict(shadow.thresholds)
        self._share = shadow.sample
        self._prefix = salted(shadow.salt)
        self._test: Test | None = None
        if shadow.match is not None:
            self._test = compile_predicate(shadow.match, lambda: None)
        self.reads = self._test is not None

    def rows(
        self,
        keys: Sequence[object],
        bodies: Sequence[Fields] | None,
        headers: Sequence[Fields] | None,
        sources: Sequence[Coordinates | None] | None,
    ) -> list[int]:
        """Return the numbers of the rows that it gets; columns are None where there is nothing.

        Without a key the coordinates stand for it (R27); with neither it gets only samples of all.
        """
        rows = list(range(len(keys)))
        if self._test is not None:
            test = self._test
            rows = [
                row
                for row in rows
                if test(
                    _NOTHING if bodies is None else bodies[row],
                    _NOTHING if headers is None else headers[row],
                )
            ]
        if self._share == BUCKETS:
            return rows
        # Read verbs compile documents, too, and must not wait for numpy.
        from modelwire.routing.bulk import buckets_behind

        drawn = [(row, _data(keys[row], None if sources is None else sources[row])) for row in rows]
        known = [(row, data) for row, data in drawn if data is not None]
        found = buckets_behind(self._prefix, [data for _, data in known]) < self._share
        return [row for (row, _), taken in zip(known, found.tolist(), strict=True) if taken]


def _data(key: object, source: Coordinates | None) -> bytes | None:
    if key is None:
        return None if source is None else coordinate_bytes(source)
    try:
        return key_bytes(key)
    except Rejected:
        return None
