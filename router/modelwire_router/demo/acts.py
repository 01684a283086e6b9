"""What the operator and the publisher of the demo do: releases, flips, rollout files."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from modelwire.clock import SystemClock
from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire.control.state import State
from modelwire_log.contract import Log
from modelwire_publisher.calls import publish
from modelwire_router.changes import flip, replace_document
from modelwire_router.demo.bomb import bomb_release
from modelwire_router.demo.files import model, rollout
from modelwire_router.demo.stage import NAMESPACE, ROUTE
from modelwire_router.rollout import machine, plan_text
from modelwire_router.rollout_file.reading import read_rollouts
from modelwire_schemas.control import Body
from modelwire_schemas.errors import ModelwireError

BY = By("demo", source="modelwire demo")


def always() -> bool:
    """Return that there is nothing to wait for."""
    return True


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done once so much more of the stream (0 to 1) has been scored.

    Nothing counts before `ready`, where an act waits for what the controller does.
    """

    after: float
    shown: str
    why: str
    do: Callable[[], str]
    ready: Callable[[], bool] = always


class Operator:
    """Makes acts of one route; each, when it is done, returns what came of it."""

    def __init__(self, log: Log, folder: Path, sample: Path) -> None:
        self._log = log
        self._folder = folder
        self._sample = sample

    def publish(self, after: float, name: str, version: str, why: str) -> Act:
        """Return the act that releases a file, once no rollout is under way."""

        def do() -> str:
            try:
                release = publish(
                    model(name),
                    model=ROUTE,
                    version=version,
                    log=self._log,
                    namespace=NAMESPACE,
                    sample=self._sample,
                    author="demo",
                )
            except ModelwireError as error:
                return f"refused: {error.code}"
            return f"released, {release.size:,} bytes, {release.where}"

        shown = f"publish {ROUTE} {name}.onnx --version {version}"
        return Act(after, shown, why, do, self.rests)

    def flip(self, after: float, version: str, why: str) -> Act:
        """Return the act that gives a version every event, once no rollout is under way."""
        shown = f"flip {ROUTE} {version}"
        return Act(
            after, shown, why, lambda: self._submit(flip(self._state(), ROUTE, version)), self.rests
        )

    def apply(self, after: float, name: str, stable: str, candidate: str, why: str) -> Act:
        """Return the act that begins a rollout by the file `name`, with these two versions."""

        def do() -> str:
            path = self._folder / f"{name}.yaml"
            path.write_text(_between(rollout(name).read_text("utf-8"), stable, candidate), "utf-8")
            state = self._state()
            now = self._now()
            (wanted,) = read_rollouts((path,), now)
            route = state.routes.get(ROUTE)
            begun = machine.begin(wanted.plan, route, secrets.token_hex(4), now)
            return f"{self._submit(begun)}, {candidate} warms up"

        return Act(after, f"apply -f {name}.yaml", why, do)

    def promote(self, after: float, why: str) -> Act:
        """Return the act that ends the wait of the rollout under way, once it waits for that."""

        def do() -> str:
            route = self._state().routes[ROUTE]
            begun = route.rollout
            assert begun is not None  # noqa: S101  `waits` says so
            plan = plan_text.load(begun.plan)
            return self._submit(machine.advance(plan, route, self._now()).change)

        return Act(after, f"promote {ROUTE}", why, do, self.waits)

    def plant_bomb(self, after: float, good: str) -> Act:
        """Return the act that releases the bomb as a hostile publisher would, for all to load."""

        def do() -> str:
            contract = self._state().releases[ROUTE][good].contract
            self._submit(bomb_release(model("bomb"), ROUTE, "6", contract))
            state = self._state()
            document = replace(state.routes[ROUTE].head.document, keep_warm=("6",), rollout=None)
            return self._submit(replace_document(state, document)) + ", 6 is to be kept warm"

        return Act(after, "(released past the publisher)", "consumers probe it", do, self.rests)

    def rests(self) -> bool:
        """Return whether no rollout is under way, and the newest document holds."""
        route = self._state().routes.get(ROUTE)
        if route is None:
            return True
        rollout = route.rollout
        return rollout is None or rollout.phase.over

    def waits(self) -> bool:
        """Return whether the rollout under way has one step left, which is the operator's."""
        begun = self._state().routes[ROUTE].rollout
        return begun is not None and begun.step == len(plan_text.load(begun.plan).steps) - 1

    def _now(self) -> int:
        return max(self._state().now, SystemClock().now())

    def _state(self) -> State:
        return fold_log(self._log, NAMESPACE)

    def _submit(self, body: Body) -> str:
        outcome = submit(self._log, NAMESPACE, body, BY)
        outcome.verdict.check()
        revisions = [f"revision {r.revision}" for r in outcome.verdict.revisions]
        return ", ".join(revisions) or "released"


def _between(text: str, stable: str, candidate: str) -> str:
    """Return a rollout file with these two versions in the place of its own."""
    found = re.search(r'stable: "(.+)"\s+candidate: "(.+)"', text)
    assert found is not None  # noqa: S101  the demo's own files
    versions = dict(zip(found.groups(), (stable, candidate), strict=True))
    return re.sub(r'"([^"]+)"', lambda m: f'"{versions.get(m[1], m[1])}"', text)
