"""The demo, played: processes on, acts at their time, the log read back at the end."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from modelwire.control.reading import fold_log
from modelwire_log.contract import Log, Place
from modelwire_router.demo.check import Findings, examine
from modelwire_router.demo.files import flights
from modelwire_router.demo.reading import Seen, Tail
from modelwire_router.demo.screen import Screen
from modelwire_router.demo.stage import (
    EVENTS,
    GRAVEYARD,
    NAMESPACE,
    OUTPUTS,
    PARTITIONS,
    ROUTE,
    Stage,
    check_alive,
    stop,
)
from modelwire_router.demo.story import Act, Story, sample_of
from modelwire_router.fleet import newest_reports
from modelwire_router.views import shares
from modelwire_schemas.errors import TimedOut

EVENTS_IN_FILE = 50_018
LOOK_S = 0.25
LONGEST_S = 120.0
"""Seconds without the end after which the demo gives up."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a run came to."""

    findings: Findings
    faults: list[str]
    seconds: float


class Demo:
    """One run of the demo on a log that is there."""

    def __init__(self, stage: Stage, log: Log) -> None:
        self._stage = stage
        self._log = log
        self._total = stage.events or EVENTS_IN_FILE
        self._screen = Screen(self._total)
        self._story = Story(log, sample_of(stage.folder))
        self._seen = Seen()
        self._tail = Tail(log, OUTPUTS)
        self._planned = "-"
        self._revision = 0

    def play(self, tries: list[str]) -> Played:
        """Play the story and read it back; raises ModelwireError when a process dies."""
        if self._log.capabilities.makes_streams:
            for stream in (EVENTS, OUTPUTS, GRAVEYARD):
                self._log.create(stream, PARTITIONS)
        with self._screen:
            for act in self._story.opening():
                self._perform(act)
            seconds = self._stream()
        findings = examine(self._log)
        once = self._log.capabilities.transactional_positions
        faults = findings.faults(exactly_once=once)
        self._screen.summary(findings, faults, tries, seconds)
        return Played(findings, faults, seconds)

    def _stream(self) -> float:
        stage = self._stage
        with ExitStack() as stack:
            names = ("scorer-1", "scorer-2")
            processes = {n: stack.enter_context(stage.running(n, *stage.scorer(n))) for n in names}
            self._wait_for_scorers()
            processes["feeder"] = stack.enter_context(
                stage.running("feeder", *stage.feeder(flights()))
            )
            started = time.monotonic()
            acts = list(self._story.acts())
            since = 0
            while not self._done(acts):
                check_alive(stage, processes)
                if time.monotonic() - started > LONGEST_S:
                    raise TimedOut("E_DEMO", f"not done after {LONGEST_S:.0f} s")
                self._look()
                if acts and self._is_due(acts[0], since):
                    self._perform(acts.pop(0))
                    self._look()
                    since = self._seen.outputs
                time.sleep(LOOK_S)
            stop([processes[name] for name in names])
            return time.monotonic() - started

    def _perform(self, act: Act) -> None:
        came = act.do()
        route = fold_log(self._log, NAMESPACE).routes.get(ROUTE)
        if route is not None:
            self._planned = shares(route.head.document)
            self._revision = route.head.revision
        self._screen.act(act.shown, act.why, came, self._planned)

    def _look(self) -> None:
        seen = self._seen
        for record in self._tail.news():
            seen.take(record)
        seen.events = _size(self._log, EVENTS)
        seen.dead = _size(self._log, GRAVEYARD)
        self._screen.figures(seen, self._revision, self._fleet())

    def _is_due(self, act: Act, since: int) -> bool:
        """Whether so much has been scored since the act before, or all there is."""
        return self._all_scored() or self._seen.outputs - since >= act.after * self._total

    def _done(self, acts: list[Act]) -> bool:
        return not acts and self._all_scored()

    def _all_scored(self) -> bool:
        return self._seen.outputs + self._seen.dead >= self._total

    def _fleet(self) -> str:
        reports = [r for r, _ in newest_reports(self._log, NAMESPACE) if not r.goodbye]
        told = [", ".join(f"{v.version} {v.code or v.state}" for v in r.versions) for r in reports]
        return f"{len(reports)} live; " + " | ".join(told)

    def _wait_for_scorers(self) -> None:
        """Let both scorers warm the first version, so that events find two members."""
        deadline = time.monotonic() + 30.0
        while True:
            reports = [r for r, _ in newest_reports(self._log, NAMESPACE)]
            warm = [r for r in reports if any(v.state == "serving" for v in r.versions)]
            if len(warm) >= 2:
                return
            if time.monotonic() > deadline:
                said = "; ".join(self._stage.said(n) for n in ("scorer-1", "scorer-2"))
                raise TimedOut("E_DEMO", f"the scorers are not ready: {said}")
            time.sleep(0.1)


def _size(log: Log, stream: str) -> int:
    count = log.streams().get(stream, 0)
    return sum(log.end(Place(stream, partition)) + 1 for partition in range(count))


def next_commands(url: str) -> list[str]:
    """Return three commands that go on with the demo's log."""
    base = f"modelwire --log {url} --namespace {NAMESPACE}"
    return [
        f"{base} history {ROUTE}",
        f"{base} explain {ROUTE} --key N14228",
        f"{base} read {OUTPUTS} --last 1",
    ]
