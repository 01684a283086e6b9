"""Joining a stream of labels with what was predicted: reads, joins, and reports as telemetry.

Everything is read from its beginning and nothing is committed: the same records give the same
windows, so who starts anew, or joins beside another, reports the same under the same name.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from modelwire.reporting.recorder import Recorder, Windows
from modelwire.reporting.telemetry import TelemetryReporter
from modelwire.scoring.labels import Joined, Joiner, Terms
from modelwire.scoring.streams import require
from modelwire_log.contract import START, Log, Place, Record
from modelwire_log.whole import places
from modelwire_schemas.errors import Rejected
from modelwire_schemas.telemetry import Telemetry

AT_ONCE = 2000
"""Records that are read together."""

MOST_WINDOWS = 10_000
"""Windows that are kept: labels come for old ones, too."""

KEPT_S = 7 * 86_400.0
"""Seconds that a window is kept after its last label."""

IDLE = 0.2
"""Seconds between two looks while nothing comes."""

Take = Callable[[Record, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJob:
    """Which streams are joined, and how; `events` is needed for ids of the application's own.

    `pairs`, by default `<outputs>.shadow`, are read where they are.
    """

    terms: Terms
    outputs: str
    labels: str
    events: str = ""
    pairs: str = ""

    def __post_init__(self) -> None:
        """Raise Rejected `E_EVENTS` for ids that nobody can look up."""
        if bool(self.terms.event_id) != bool(self.events):
            raise Rejected(
                "E_EVENTS",
                "an id in a field of the event needs both the field and the stream of the events",
                expected="--event-id FIELD and --events STREAM",
            )


class LabelJoin:
    """Joins in the thread that calls `run`. `stop` may be called from anywhere."""

    def __init__(self, log: Log, namespace: str, job: LabelJob) -> None:
        self._log = log
        self._job = job
        self._joiner = Joiner(job.terms)
        self._recorder = Recorder(Windows(MOST_WINDOWS, KEPT_S))
        self._reporter = TelemetryReporter(log, namespace, self._recorder, self._told)
        self._after: dict[Place, int] = {}
        self._stop = threading.Event()

    @property
    def totals(self) -> Joined:
        """What became of predictions and labels so far."""
        return self._joiner.totals

    def stop(self) -> None:
        """Report what was joined, and end."""
        self._stop.set()

    def run(self, *, until_end: bool = False) -> Joined:
        """Join until `stop`, or with `until_end` what is there now.

        Raises NotFound `E_NO_STREAM` for a missing stream.
        """
        job = self._job
        for stream in (job.outputs, job.labels, job.events):
            if stream:
                require(self._log, stream, ())
        self._reporter.start()
        try:
            while not self._stop.is_set():
                if self._step():
                    continue
                if until_end:
                    break
                self._stop.wait(IDLE)
        finally:
            self._reporter.stop(5.0)
        return self.totals

    def _step(self) -> int:
        """Read every stream on: events first, since outputs are looked up among them."""
        job, joiner = self._job, self._joiner
        done = 0
        if job.events:
            done += self._read(job.events, lambda r, fields: joiner.event(_place(r), fields))
        done += self._read(job.outputs, lambda _, value: joiner.output(value))
        done += self._read(job.pairs or f"{job.outputs}.shadow", lambda _, v: joiner.pair(v))
        done += self._read(job.labels, lambda _, fields: joiner.label(fields))
        found = joiner.matches()
        if found.matches:
            self._recorder.note(found)
        return done

    def _read(self, stream: str, take: Take) -> int:
        done = 0
        for place in places(self._log, stream):
            records = self._log.read(place, self._after.get(place, START), AT_ONCE)
            for record in records:
                self._after[place] = record.offset
                give(record, take, self.totals)
            done += len(records)
        return done

    def _told(self, windows: Any) -> Telemetry:  # noqa: ANN401 - a sequence of windows
        return Telemetry(f"labels-{self._job.terms.route}", "labels", "labels", -1, tuple(windows))


def give(record: Record, take: Take, totals: Joined) -> None:
    """Let `take` have a record's JSON; what it cannot take is damaged."""
    try:
        take(record, orjson.loads(record.value))
    except (ValueError, TypeError, LookupError, AttributeError, StopIteration):
        totals.damaged += 1  # whatever it is, it is none of ours


def _place(record: Record) -> str:
    return f"{record.stream}/{record.partition}/{record.offset}"
