"""A drill, played: a log, an application and a controller of its own, and copies of real events.

Nothing is written to the log that the events are from, and no group of it is joined.
"""

import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from modelwire.clock import SystemClock
from modelwire.config import Config
from modelwire.control.commands import me, submit
from modelwire.control.reading import fold_log
from modelwire.control.state import Release, State
from modelwire.hooks import Hooks
from modelwire.loading.states import Told, VersionState
from modelwire.models import Models
from modelwire.scoring.events import Reading
from modelwire.scoring.scorer import Job, Scorer
from modelwire.serving.servable import Servable
from modelwire_log.contract import Log
from modelwire_log.open import open_log
from modelwire_router.controller import Controller
from modelwire_router.decide import Standing, look
from modelwire_router.drill.feeding import Feed, copied
from modelwire_router.drill.outcome import Outcome, outcome
from modelwire_router.drill.planted import Planted
from modelwire_router.drill.spoiled import Bad, spoiled
from modelwire_router.observer import Observer
from modelwire_router.rollout import machine
from modelwire_router.rollout.plan import Pause
from modelwire_schemas.control import Body
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.rollout import Finding, Phase
from modelwire_schemas.routing import ModelVersion

LOOK_S = 0.05
"""Seconds between two looks at the rollout and at the events that are due."""

EVERY = 0.2
"""Seconds between two looks of the drill's controller."""

READY_S = 30.0
"""Seconds that the drill's application may take to be ready, and to finish."""

SCORES, LETTERS = "drill.scores", "drill.dead-letters"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a drill is played with.

    `good` has every version that the plan names, the bad one's name standing for the stable one.
    `stream` and `partitions` are those of the real events.
    """

    drill: Planted
    bad: Bad
    good: Mapping[str, tuple[Release, Servable]]
    stream: str
    partitions: int
    reading: Reading


class Drill:
    """One drill in a folder of its own; `tell` hears of every step."""

    def __init__(self, ground: Ground, folder: Path, tell: Callable[[str], None]) -> None:
        self._ground = ground
        self._folder = folder
        self._tell = tell
        self._url = f"sqlite:///{folder}/drill.db"
        self._namespace = f"drill-{secrets.token_hex(4)}"
        self._state = State()
        self._failed: list[BaseException] = []

    def play(self, feed: Callable[[], Feed], timeout: float) -> Outcome:
        """Run the rollout until it is over or pauses, `timeout` seconds at most.

        Raises what the application or the controller ended with.
        """
        with open_log(self._url) as log, ExitStack() as held:
            log.create(self._ground.stream, self._ground.partitions)
            self._begin(log)
            held.enter_context(self._controller())
            scorer = held.enter_context(self._scorer())
            events = feed()
            deadline = time.monotonic() + timeout
            shown = ""
            while not self._over() and time.monotonic() < deadline and not self._failed:
                batch = [copied(record) for record in events.due()]
                if batch:
                    log.append_batch(self._ground.stream, batch)
                self._state = fold_log(log, self._namespace, state=self._state)
                self._promote(log)
                told = self._told()
                if told != shown:
                    self._tell(f"{told}, {scorer.totals.events} events")
                    shown = told
                time.sleep(LOOK_S)
        if self._failed:
            raise self._failed[0]
        with open_log(self._url) as log:
            found = outcome(log, self._namespace, self._ground.drill, SCORES, LETTERS)
            return found if found.findings else replace(found, findings=self._standing(log))

    def _begin(self, log: Log) -> None:
        """Release every version, the bad one among them, and begin the rollout."""
        plan = self._ground.drill.plan
        for version, (release, _) in self._ground.good.items():
            body = ReleasePublished(plan.model, version, release.artifact, release.contract)
            self._send(log, body)
        self._send(log, machine.begin(plan, None, secrets.token_hex(4), self._now()))

    def _send(self, log: Log, body: Body) -> None:
        done = submit(log, self._namespace, body, me("a drill"), state=self._state)
        done.verdict.check()
        self._state = done.state

    def _promote(self, log: Log) -> None:
        """Promote what waits for a person before the bad version has any event: nobody would know.

        Where it has some, a person who looks might find it; the drill does not.
        """
        plan, route = self._ground.drill.plan, self._state.routes[self._ground.drill.plan.route]
        rollout = route.rollout
        if rollout is None or rollout.phase is not Phase.PROGRESSING:
            return
        waits = plan.steps[rollout.step] == Pause(None)
        if waits and self._ground.drill.bad not in route.head.document.weighted():
            self._send(log, machine.advance(plan, route, self._now()).change)

    def _now(self) -> int:
        return max(self._state.now, SystemClock().now())

    def _over(self) -> bool:
        rollout = self._state.routes[self._ground.drill.plan.route].rollout
        return rollout is None or rollout.phase is not Phase.PROGRESSING

    def _told(self) -> str:
        plan = self._ground.drill.plan
        rollout = self._state.routes[plan.route].rollout
        assert rollout is not None  # noqa: S101 - every document of a drill is a rollout's
        return f"{rollout.phase}, step {rollout.step} of {len(plan.steps)}"

    def _standing(self, log: Log) -> tuple[Finding, ...]:
        """Return how the metrics stand of a rollout that is not over."""
        world = Observer(log, self._namespace).world(self._state.now, {})
        world = replace(world, now=max(heard for _, heard in world.reports))
        route = world.state.routes[self._ground.drill.plan.route]
        rollout = route.rollout
        if rollout is None or rollout.phase.over:
            return ()
        standing = Standing(route, rollout, self._ground.drill.plan)
        found = look(standing, world).findings
        return tuple(finding for each in found.values() for finding in each)

    @contextmanager
    def _controller(self) -> Generator[None]:
        with open_log(self._url) as log:
            controller = Controller(log, self._namespace, every=EVERY)
            with self._thread(controller.run, controller.stop):
                yield

    @contextmanager
    def _scorer(self) -> Generator[Scorer]:
        ground = self._ground
        config = Config(
            log=self._url,
            namespace=self._namespace,
            application="drill",
            cache=self._folder / "cache",
        )
        log = open_log(self._url)
        hooks, clock = Hooks(), SystemClock()
        with Models(config, log, clock=clock, hooks=hooks, bring=self._bring) as models:
            job = Job(
                route=ground.drill.plan.route,
                source=ground.stream,
                sink=SCORES,
                group="drill",
                reading=ground.reading,
                dead_letters=LETTERS,
            )
            scorer = Scorer(models, log, job)
            with self._thread(scorer.run, scorer.stop):
                yield scorer

    @contextmanager
    def _thread(self, run: Callable[[], object], stop: Callable[[], None]) -> Generator[None]:
        """Run something beside; what it raises ends the drill."""

        def guarded() -> None:
            try:
                run()
            except BaseException as error:
                self._failed.append(error)

        thread = threading.Thread(target=guarded, name="modelwire-drill", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop()
            thread.join(READY_S)

    def _bring(self, release: Release, told: Told) -> Callable[[], Servable]:
        """Take a version that is warm already, and spoil the bad one."""
        for state in (VersionState.FETCHING, VersionState.VERIFIED, VersionState.PROBED):
            told(state)
        return partial(self._loaded, ModelVersion(release.model, release.version), told)

    def _loaded(self, version: ModelVersion, told: Told) -> Servable:
        for state in (VersionState.LOADED, VersionState.WARM):
            told(state)
        is_bad = version.version == self._ground.drill.bad
        _, good = self._ground.good[version.version]
        return spoiled(version, good, self._ground.bad if is_bad else None)
