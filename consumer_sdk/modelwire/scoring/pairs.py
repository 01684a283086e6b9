"""Pairs: what a shadow gave and what was answered, for the same event, in one record."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from modelwire.reporting.shadowed import Shadowed
from modelwire.scoring.outputs import output_id
from modelwire.scoring.streams import Partitions
from modelwire.serving.answer import Provenance
from modelwire.serving.servable import Servable
from modelwire.serving.shadowing import Deliver
from modelwire_log.contract import Log, Message, Record

TIMEOUT = 2.0
"""Seconds that writing some pairs may take."""


class PairWriter:
    """Writes pairs to a stream, each on the partition of its event."""

    def __init__(self, log: Log, source: str, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._partitions = Partitions(log, source)

    def of(self, records: Sequence[Record]) -> Deliver:
        """Return what writes the pairs of a batch that was made of these records."""

        def deliver(paired: Shadowed, servable: Servable) -> None:
            messages = _messages(records, paired, servable, self._partitions.of(self._stream))
            if messages:
                self._log.append_batch(self._stream, messages, timeout=TIMEOUT)

        return deliver


def pair_id(record: Record, version: str) -> str:
    """Return the id of a pair: equal however often the shadow scores the event (R30)."""
    return f"{output_id(record)}/{version}"


def _messages(
    records: Sequence[Record], paired: Shadowed, servable: Servable, partitions: int
) -> list[Message]:
    answers = paired.answers
    rows: list[int] = paired.good.tolist()
    live = {name: values[paired.good].tolist() for name, values in answers.outputs.items()}
    shadow = {name: values.tolist() for name, values in paired.outputs.items()}
    made: list[Message] = []
    for at, row in enumerate(rows):
        told = answers.provenances[0 if answers.which is None else answers.which[row]]
        ours = {name: values[at] for name, values in shadow.items()}
        theirs = {name: values[at] for name, values in live.items()}
        value = _pair(records[row], told, theirs, servable, ours)
        record = records[row]
        partition = record.partition % partitions
        made.append(Message(value, record.key, (), record.timestamp, partition))
    return made


def _pair(
    record: Record,
    told: Provenance,
    live: Mapping[str, Any],
    servable: Servable,
    shadow: Mapping[str, Any],
) -> bytes:
    return orjson.dumps(
        {
            "id": pair_id(record, servable.version.version),
            "role": "shadow",
            "source": {
                "stream": record.stream,
                "partition": record.partition,
                "offset": record.offset,
                "timestamp": record.timestamp,
            },
            "route": told.route,
            "model": told.model,
            "revision": told.revision,
            "offset": told.offset,
            "live": {"version": told.served_by, "digest": told.digest, "outputs": live},
            "shadow": {
                "version": servable.version.version,
                "digest": servable.digest,
                "outputs": shadow,
            },
        }
    )
