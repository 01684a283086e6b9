"""What is written for an event: outputs with provenance, or a dead letter with a reason."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import orjson

from modelwire.serving.answer import Answers, Provenance
from modelwire.serving.shadowing import Batch
from modelwire_log.contract import Message, Record
from modelwire_schemas.errors import ModelwireError

REASON = "modelwire-reason"
"""The header of a dead letter that says why it is one."""

Target: TypeAlias = tuple[str, Message]
"""A stream, and what is appended to it."""


class Writer(Protocol):
    """Makes what is written for events, and hears of what is committed."""

    def targets(self, records: Sequence[Record], answers: Answers) -> list[Target | None]:
        """Return what to write for each record, None where its row is faulty."""
        ...

    def committed(self, batch: Batch, records: Sequence[Record]) -> None:
        """Take note of a batch, made of these records, that is written with its positions."""
        ...


def output_id(record: Record) -> str:
    """Return the id of an event's output: equal however often the event is scored."""
    return f"{record.stream}/{record.partition}/{record.offset}"


class Encoder:
    """Makes messages of answers: JSON with the outputs first, then where they are from."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[Provenance, bytes]] = {}

    def messages(
        self, records: Sequence[Record], answers: Answers, partitions: int
    ) -> list[Message | None]:
        """Return one message a record, None where the row is faulty.

        An output goes to the partition of its source, so that their order is kept.
        """
        faulty = {row for row, _ in answers.errors}
        columns = {name: values.tolist() for name, values in answers.outputs.items()}
        names = [orjson.dumps(name) + b":" for name in columns]
        which, buckets = answers.which, answers.buckets
        made: list[Message | None] = []
        for row, record in enumerate(records):
            if row in faulty:
                made.append(None)
                continue
            told = self._tail(answers.provenances[0 if which is None else which[row]])
            values = [column[row] for column in columns.values()]
            bucket = None if buckets is None else buckets[row]
            made.append(_message(record, _outputs(names, values), bucket, told, partitions))
        return made

    def _tail(self, told: Provenance) -> bytes:
        """Return a provenance as JSON; made once for all answers that share it."""
        known = self._told.get(id(told))
        if known is not None:
            return known[1]
        if len(self._told) > 1000:
            self._told.clear()
        text = orjson.dumps(
            {
                "route": told.route,
                "model": told.model,
                "version": told.version,
                "digest": told.digest,
                "variant": told.variant,
                "rule": told.rule,
                "revision": told.revision,
                "reason": told.reason,
                "offset": told.offset,
                "routed_to": told.routed_to,
                "served_by": told.served_by,
                "stale": told.stale,
                "unsettled": told.unsettled,
            }
        )[1:]
        self._told[id(told)] = (told, text)
        return text


def dead_letter(record: Record, error: ModelwireError, stage: str, partitions: int) -> Message:
    """Return a record that could not be scored, as it was, with the reason in its headers."""
    told = {
        "modelwire-id": output_id(record),
        "modelwire-stage": stage,
        "modelwire-code": error.code,
        REASON: str(error),
        "modelwire-source": output_id(record),
    }
    headers = tuple((name, text.encode()) for name, text in told.items())
    return Message(
        record.value,
        record.key,
        record.headers + headers,
        record.timestamp,
        record.partition % partitions,
    )


def _outputs(names: Sequence[bytes], values: Sequence[Any]) -> bytes:
    pairs = zip(names, values, strict=True)
    return b",".join([name + orjson.dumps(value) for name, value in pairs])


def _message(
    record: Record, outputs: bytes, bucket: int | None, told: bytes, partitions: int
) -> Message:
    place = b'","source":{"stream":%b,"partition":%d,"offset":%d,"timestamp":%d},"bucket":%b,' % (
        orjson.dumps(record.stream),
        record.partition,
        record.offset,
        record.timestamp,
        b"null" if bucket is None else b"%d" % bucket,
    )
    head = b'{"outputs":{' + outputs + b'},"id":"' + output_id(record).encode()
    return Message(
        head + place + told, record.key, (), record.timestamp, record.partition % partitions
    )
