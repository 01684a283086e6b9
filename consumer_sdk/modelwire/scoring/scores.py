"""Scores: what versions answered goes to one stream, and telemetry and shadows hear of it."""

from collections.abc import Sequence

from modelwire.scoring.noting import scored
from modelwire.scoring.outputs import Encoder, Target
from modelwire.scoring.pairs import PairWriter
from modelwire.scoring.streams import Partitions
from modelwire.serving.answer import Answers
from modelwire.serving.live import Live
from modelwire.serving.shadowing import Batch
from modelwire_log.contract import Log, Record


class Scores:
    """Writes answers to `sink` and pairs to `shadow`; see `outputs.Writer`."""

    def __init__(
        self, live: Live, log: Log, source: str, sink: str, shadow: str, watch: Sequence[str]
    ) -> None:
        self._live = live
        self._sink = sink
        self._watch = watch
        self._encoder = Encoder()
        self._partitions = Partitions(log, source)
        self._pairs = PairWriter(log, source, shadow)

    def targets(self, records: Sequence[Record], answers: Answers) -> list[Target | None]:
        """Return one output a record, None where the row is faulty."""
        partitions = self._partitions.of(self._sink)
        messages = self._encoder.messages(records, answers, partitions)
        return [None if m is None else (self._sink, m) for m in messages]

    def committed(self, batch: Batch, records: Sequence[Record]) -> None:
        """Count what is committed, and let shadows have it (R30)."""
        self._live.recorder.note(scored(batch, self._watch))
        self._live.shadows.offer(batch, self._pairs.of(records))
