"""The demo, played: processes on, acts at their time, the log read back at the end."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from modelwire.control.reading import control_place, fold_log
from modelwire_log.contract import START, Log
from modelwire_log.whole import size
from modelwire_router.demo.acts import Act, Operator
from modelwire_router.demo.check import Findings, examine
from modelwire_router.demo.reading import Seen, Tail
from modelwire_router.demo.rollouts import Watch
from modelwire_router.demo.screen import Screen
from modelwire_router.demo.stage import (
    EVENTS,
    GRAVEYARD,
    LANDINGS,
    NAMESPACE,
    OUTPUTS,
    PARTITIONS,
    ROUTE,
    SCORERS,
    STREAMS,
    Stage,
    check_alive,
    stop,
)
from modelwire_router.demo.story import STORIES
from modelwire_router.fleet import newest_reports
from modelwire_router.views import shares
from modelwire_schemas.errors import Conflict, TimedOut

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
    """One run of a story on a log that is there."""

    def __init__(self, stage: Stage, log: Log, story: str) -> None:
        self._stage = stage
        self._log = log
        self._total = stage.events or EVENTS_IN_FILE
        self._operator = Operator(log, stage.folder, stage.sample())
        self._story = STORIES[story](self._operator)
        self._screen = Screen(self._total, self._story.told)
        self._seen = Seen()
        self._tail = Tail(log, OUTPUTS)
        self._watch = Watch(log)
        self._revision = 0

    def play(self, tries: list[str]) -> Played:
        """Play the story and read it back.

        Raises ModelwireError when a process dies, Conflict `E_DEMO` where a demo was played before.
        """
        if self._log.end(control_place(NAMESPACE)) != START:
            raise Conflict(
                "E_DEMO",
                "a demo was played on this log before",
                where=f"namespace {NAMESPACE}",
                expected="a log without one",
                todo="another --folder, or another broker",
            )
        if self._log.capabilities.makes_streams:
            for stream in STREAMS:
                self._log.create(stream, PARTITIONS)
        with self._screen:
            for act in self._story.opening:
                self._perform(act)
            seconds = self._stream()
        findings = examine(self._log)
        once = self._log.capabilities.transactional_positions
        faults = findings.faults(self._story.ends, self._story.proves, exactly_once=once)
        self._screen.summary(findings, faults, tries, seconds)
        return Played(findings, faults, seconds)

    def _stream(self) -> float:
        stage, story = self._stage, self._story
        beside = {name: stage.scorer(name) for name in SCORERS}
        beside["controller"] = ("controller", "--every", "0.2")
        feeding = {"feeder": stage.feeder(EVENTS, story.rate)}
        if story.labels:
            beside["labels"] = stage.labels()
            feeding["landings"] = stage.feeder(LANDINGS, story.rate)
        with ExitStack() as stack:
            run = {n: stack.enter_context(stage.running(n, *w)) for n, w in beside.items()}
            self._wait_for_scorers()
            run |= {n: stack.enter_context(stage.running(n, *w)) for n, w in feeding.items()}
            started = time.monotonic()
            acts = list(story.acts)
            since = 0
            while acts or not self._all_scored() or not self._operator.rests():
                check_alive(stage, run)
                if time.monotonic() - started > LONGEST_S:
                    self._give_up(acts)
                self._look()
                if acts and not acts[0].ready():
                    since = self._seen.outputs
                elif acts and self._is_due(acts[0], since):
                    self._perform(acts.pop(0))
                    self._look()
                    since = self._seen.outputs
                time.sleep(LOOK_S)
            self._look()
            stop([run[name] for name in beside])
            return time.monotonic() - started

    def _give_up(self, acts: list[Act]) -> None:
        left = acts[0].shown if acts else "the end of the rollout"
        raise TimedOut(
            "E_DEMO",
            f"not done after {LONGEST_S:.0f} s, {left} is to come",
            expected="flights for as long as the story takes",
            todo="a lower --rate, or more --events",
        )

    def _perform(self, act: Act) -> None:
        self._screen.act(act.shown, act.why, act.do())
        self._look_at_route()

    def _look(self) -> None:
        seen = self._seen
        for record in self._tail.news():
            seen.take(record)
        seen.events = size(self._log, EVENTS)
        seen.dead = size(self._log, GRAVEYARD)
        news = self._watch.news()
        for said in news:
            self._screen.decided(said)
        if news:
            self._look_at_route()
        self._screen.figures(seen, self._revision, self._fleet())

    def _look_at_route(self) -> None:
        route = fold_log(self._log, NAMESPACE).routes.get(ROUTE)
        if route is not None:
            self._screen.planned = shares(route.head.document)
            self._revision = route.head.revision

    def _is_due(self, act: Act, since: int) -> bool:
        """Whether so much has been scored since the act before, or all there is."""
        return self._all_scored() or self._seen.outputs - since >= act.after * self._total

    def _all_scored(self) -> bool:
        return self._seen.outputs + self._seen.dead >= self._total

    def _fleet(self) -> str:
        found = [r for r, _ in newest_reports(self._log, NAMESPACE) if not r.goodbye and r.routes]
        told = [", ".join(f"{v.version} {v.code or v.state}" for v in r.versions) for r in found]
        return f"{len(found)} live; " + " | ".join(told)

    def _wait_for_scorers(self) -> None:
        """Let both scorers warm the first version, so that events find two members."""
        deadline = time.monotonic() + 30.0
        while True:
            reports = [r for r, _ in newest_reports(self._log, NAMESPACE)]
            warm = [r for r in reports if any(v.state == "serving" for v in r.versions)]
            if len(warm) >= len(SCORERS):
                return
            if time.monotonic() > deadline:
                said = "; ".join(self._stage.said(n) for n in SCORERS)
                raise TimedOut("E_DEMO", f"the scorers are not ready: {said}")
            time.sleep(0.1)


def next_commands(url: str) -> list[str]:
    """Return three commands that go on with the demo's log."""
    base = f"modelwire --log {url} --namespace {NAMESPACE}"
    return [
        f"{base} history {ROUTE}",
        f"{base} explain {ROUTE} --key N14228",
        f"{base} read {OUTPUTS} --last 1",
    ]
