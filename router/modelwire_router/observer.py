"""What a controller knows: control log, fleet and telemetry, read on from where it stopped."""

import logging
from collections.abc import Iterator, Mapping

from modelwire.control.reading import fold_log
from modelwire.control.state import State
from modelwire_log.contract import START, Log
from modelwire_router.analysis.samples import Samples
from modelwire_router.decide import World
from modelwire_router.fleet import FleetReader
from modelwire_router.outside.words import Answer, Question
from modelwire_router.reference import by_sample, read_sample
from modelwire_router.rollout import plan_text
from modelwire_router.telemetry import TelemetryReader
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.routing import ModelVersion
from modelwire_schemas.telemetry import Output

logger = logging.getLogger("modelwire.controller")

REMEMBERED_MS = 7 * 24 * 3600 * 1000
"""How long windows are held at most; those of a rollout count from its start."""


class Observer:
    """Reads three streams of a namespace, each record once; of samples, those that are needed."""

    def __init__(self, log: Log, namespace: str, *, state: State | None = None) -> None:
        self.state = State() if state is None else state
        self._log = log
        self._namespace = namespace
        self._fleet = FleetReader(log, namespace)
        self._telemetry = TelemetryReader(log, namespace)
        self._samples = Samples()
        self._references: dict[ModelVersion, tuple[Output, ...]] = {}
        self._refused: set[str] = set()

    def world(self, now: int, answers: Mapping[Question, Answer]) -> World:
        """Return what is known at `now` (ms, the log's clock).

        Raises Unavailable while the log is away.
        """
        known = None if self.state.offset == START else self.state
        self.state = fold_log(self._log, self._namespace, state=known)
        reports = self._fleet.read()
        for report, appended in self._telemetry.read():
            for refused in self._samples.add(report, appended):
                self._tell(refused.instance, refused.why)
        self._samples.forget(min(self._oldest(now), now - 1))
        self._references = dict(self._referred())
        return World(self.state, reports, self._samples, answers, now, self._references)

    def _referred(self) -> Iterator[tuple[ModelVersion, tuple[Output, ...]]]:
        """Yield the samples of candidates that are held against them; each is read once."""
        for route in self.state.routes.values():
            rollout = route.rollout
            if rollout is None or rollout.phase.over:
                continue
            try:
                plan = plan_text.load(rollout.plan)
            except ModelwireError:  # the decision says so
                continue
            release = self.state.release(plan.model, plan.candidate)
            if by_sample(plan) and release:
                version = ModelVersion(plan.model, plan.candidate)
                held = self._references.get(version)
                if held is None:
                    held = read_sample(self._log, self._namespace, release)
                yield version, held

    def _oldest(self, now: int) -> int:
        """Return when the oldest rollout under way began."""
        rollouts = [route.rollout for route in self.state.routes.values()]
        begun = [rollout.started for rollout in rollouts if rollout and not rollout.phase.over]
        return max(min(begun, default=now), now - REMEMBERED_MS)

    def _tell(self, instance: str, why: str) -> None:
        if instance not in self._refused:
            self._refused.add(instance)
            logger.warning("telemetry of %s is not counted: %s", instance, why)
