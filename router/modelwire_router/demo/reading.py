"""What the log holds of the demo's streams, read while it plays."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from modelwire_log.contract import START, Log, Place, Record
from modelwire_log.whole import places


@dataclass(slots=True)
class Tail:
    """Reads a stream on from where it was."""

    log: Log
    stream: str
    after: dict[Place, int] = field(default_factory=dict[Place, int])

    def news(self, most: int = 20_000) -> Iterator[Record]:
        """Yield what has come since the last call, partition by partition, in order."""
        if not self.after:
            self.after = dict.fromkeys(places(self.log, self.stream), START)
        for place in self.after:
            for _ in range(most // 2000):
                records = self.log.read(place, self.after[place], 2000)
                if not records:
                    break
                self.after[place] = records[-1].offset
                yield from records


@dataclass(slots=True)
class Seen:
    """What has been scored so far, for the screen."""

    events: int = 0
    outputs: int = 0
    dead: int = 0
    doubled: int = 0
    versions: Counter[str] = field(default_factory=Counter[str])
    revisions: dict[int, Counter[str]] = field(default_factory=dict[int, Counter[str]])
    scores: dict[str, float] = field(default_factory=dict[str, float])
    gap_ms: int = 0
    newest: dict[int, int] = field(default_factory=dict[int, int])
    ids: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def take(self, record: Record) -> None:
        """Count one output."""
        value = orjson.loads(record.value)
        source = value["source"]
        place = (source["partition"], source["offset"])
        self.doubled += place in self.ids
        self.ids.add(place)
        version = value["served_by"]
        self.outputs += 1
        self.versions[version] += 1
        self.revisions.setdefault(value["revision"], Counter())[version] += 1
        self.scores[version] = self.scores.get(version, 0.0) + value["outputs"]["late"]
        last = self.newest.get(record.partition)
        if last is not None:
            self.gap_ms = max(self.gap_ms, record.appended - last)
        self.newest[record.partition] = record.appended
