"""An application that embeds the SDK, as versions, memory and its log change under it."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import modelwire
from modelwire.models import Models
from modelwire_schemas.errors import NotReady
from modelwire_schemas.release import Tensor
from modelwire_schemas.routing import (
    BUCKETS,
    ModelVersion,
    RoutingDocument,
    Rule,
    Shadow,
    Split,
    Variant,
)
from tests.consumer_sdk import actors
from tests.models.good import mlp, with_version_id
from tests.models.hostile import bomb
from tests.processes import python, running
from tests.waiting import eventually
from tests.world import NAMESPACE, READY_S, ROUTE, World, contract, event, listening, release_of

FAR = 4_102_444_800_000
"""New Year 2100 (ms)."""


def states(models: Models) -> dict[str, str]:
    """Return version → its code, or its state."""
    return {report.version: report.code or report.state for report in models.status().versions}


def whole(version: str) -> Rule:
    """Return a rule that gives a version everything."""
    return Rule("all", (Variant(version, version, ((0, BUCKETS),)),), Split(salt=ROUTE))


def served_by(route: modelwire.Route) -> str:
    """Return who answers now; nobody: ''."""
    answer = route.predict(event(), key="k", default=None)
    return answer.served_by if answer else ""


def answers(route: modelwire.Route, version: str) -> bool:
    return served_by(route) == version


def refuses(models: Models, version: str, code: str) -> bool:
    return states(models).get(version) == code


# -- why nothing is ready


def test_a_refused_version_is_why_a_route_is_not_ready(world: World) -> None:
    world.release("1", content=bomb())
    world.flip("1")
    with world.connect() as models:
        route = models.route(ROUTE)
        eventually(lambda: states(models) == {"1": "E_PROBE_CRASH"}, within=READY_S)
        with pytest.raises(NotReady, match="1 is failed E_PROBE_CRASH the probe died of SIGFPE"):
            route.predict(event())
        with pytest.raises(NotReady, match="E_PROBE_CRASH"):
            route.predict_batch([event()])
        with pytest.raises(NotReady, match=r"not ready within 0.05 s: 1 is failed E_PROBE_CRASH"):
            route.wait_until_ready(0.05)


def test_what_is_only_held_warm_makes_no_route_ready(world: World) -> None:
    world.release("1", content=bomb())
    world.release("2", "3")
    candidate, stable = Variant("candidate", "2"), Variant("stable", "1", ((0, BUCKETS),))
    rule = Rule("all", (candidate, stable), Split(salt=ROUTE))
    world.write(RoutingDocument(ROUTE, ROUTE, (rule,), (Shadow("3"),), keep_warm=("3",)))
    with world.connect() as models:
        route = models.route(ROUTE)
        loaded = {"1": "E_PROBE_CRASH", "2": "warm", "3": "warm"}
        eventually(lambda: states(models) == loaded, within=READY_S)
        assert not route.ready
        world.write(RoutingDocument(ROUTE, ROUTE, (rule,), fallback=("3",)))
        eventually(lambda: route.ready)


def test_a_version_of_another_contract_makes_no_route_ready(world: World) -> None:
    other = replace(contract(), outputs=(*contract().outputs, Tensor("sure", "float32", (None,))))
    world.release("1")
    world.release("2", content=bomb(), terms=other)
    world.flip("1")
    with world.connect() as models:
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)
        world.write(RoutingDocument(ROUTE, ROUTE, (whole("2"),), contract_changed=True))
        eventually(lambda: refuses(models, "2", "E_PROBE_CRASH"), within=READY_S)
        assert states(models)["1"] == "warm"
        assert not route.ready


# -- swaps


def test_a_swap_is_one_line_and_one_hook(world: World) -> None:
    heard_hooks: list[tuple[str, str | None, str]] = []

    class Listener(modelwire.Hooks):
        def after_swap(self, route: str, before: str | None, after: str) -> None:
            heard_hooks.append((route, before, after))

    world.release("1", "2")
    world.flip("1")
    with listening() as heard, world.connect(hooks=Listener()) as models:
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)
        world.flip("2")
        eventually(lambda: route.predict(event()).version == "2")
        world.split({"1": "50", "2": "50"})
        eventually(lambda: len(heard_hooks) == 3)
        world.flip("1", route="other")
        models.route("other").wait_until_ready(READY_S)
    swaps = [line for line in heard.lines() if "serves" in line]
    assert [line.split(" (")[0] for line in swaps] == [
        "late: 1 serves",
        "late: 2 serves",
        "late: 1, 2 serves",
        "other: 1 serves",
    ]
    late = [(ROUTE, None, "1"), (ROUTE, "1", "2"), (ROUTE, "2", "1, 2")]
    assert heard_hooks == [*late, ("other", None, "1")]


def test_a_refusal_is_one_nack_and_the_last_good_version_goes_on(world: World) -> None:
    nacks: list[tuple[str, str]] = []

    class Listener(modelwire.Hooks):
        def on_nack(self, version: ModelVersion, code: str, detail: str) -> None:
            del detail
            nacks.append((version.version, code))

    world.release("1")
    world.release("2", content=bomb())
    world.flip("1")
    with listening() as heard, world.connect(hooks=Listener()) as models:
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)
        world.flip("2")
        eventually(lambda: nacks, within=READY_S)
        answer = route.predict(event())
        assert (answer.routed_to, answer.served_by) == ("2", "1")
        assert answer.outputs["version_id"] == 1
        assert dict(states(models)) == {"1": "warm", "2": "E_PROBE_CRASH"}
    assert nacks == [("2", "E_PROBE_CRASH")]
    assert len([line for line in heard.lines(logging.WARNING) if "refused" in line]) == 1


def test_an_instance_loads_what_its_routes_name_and_nothing_else(world: World) -> None:
    world.release("1", "2", "3", "4")
    world.flip("1")
    world.flip("2", route="second")
    world.flip("3", route="third")
    with world.connect() as models:
        models.route(ROUTE).wait_until_ready(READY_S)
        assert states(models) == {"1": "serving"}
        models.route("second").wait_until_ready(READY_S)
        assert states(models) == {"1": "serving", "2": "serving"}


def test_what_nobody_needs_any_more_is_let_go(world: World) -> None:
    world.release("1", "2", "3")
    world.flip("1")
    with world.connect() as models:
        route = models.route(ROUTE)
        for version in ("1", "2", "3"):
            world.flip(version)
            eventually(partial(answers, route, version), within=READY_S)
        eventually(lambda: states(models) == {"2": "warm", "3": "serving"})


def test_two_applications_of_one_name_are_two_instances(world: World) -> None:
    world.release("1")
    world.flip("1")
    with world.connect("twin") as one, world.connect("twin") as other:
        for models in (one, other):
            models.route(ROUTE).wait_until_ready(READY_S)
        assert one.status().instance != other.status().instance
        from modelwire_router.fleet import newest_reports

        eventually(lambda: len(newest_reports(world.log, NAMESPACE)) == 2)
        reports = [report for report, _ in newest_reports(world.log, NAMESPACE)]
        assert {report.application for report in reports} == {"twin"}


# -- memory


@pytest.mark.parametrize("policy", ["availability", "resource"])
def test_what_does_not_fit_the_budget_is_refused_and_another_answers(
    world: World, policy: str
) -> None:
    terms = contract()
    terms = type(terms)(terms.inputs, terms.outputs[:1], terms.feeds)
    for version, seed in (("1", 1), ("2", 2)):
        world.release(version, content=mlp(4, hidden=16_000, seed=seed), terms=terms)
    world.flip("1")
    with world.connect(memory=500_000, memory_policy=policy) as models:
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)
        world.split({"1": "50", "2": "50"})
        eventually(lambda: states(models).get("2") == "E_BUDGET", within=READY_S)
        answers = [route.predict(event(), key=f"k{n}") for n in range(40)]
        assert {answer.routed_to for answer in answers} == {"1", "2"}
        assert {answer.served_by for answer in answers} == {"1"}
        world.flip("2")
        eventually(lambda: served_by(route) == "2", within=READY_S)
        left = {"availability": "E_BUDGET", "resource": "probed"}
        eventually(lambda: states(models)["1"] == left[policy], within=READY_S)


@pytest.mark.parametrize("policy", ["availability", "resource"])
def test_a_bad_version_drops_nobody_where_there_is_room_for_one(world: World, policy: str) -> None:
    good = with_version_id(1)
    world.release("1", content=good)
    world.release("2", content=bomb())
    world.flip("1")
    with world.connect(memory=len(good), memory_policy=policy) as models:
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)
        served = models.live.snapshot.warm
        world.flip("2")
        eventually(partial(refuses, models, "2", "E_PROBE_CRASH"), within=READY_S)
        assert models.live.snapshot.warm == served
        assert route.predict(event()).served_by == "1"


# -- the cache


@contextmanager
def away(world: World) -> Generator[None]:
    """Move the log's files away, and back at the end."""
    path = Path(world.url.removeprefix("sqlite:///"))
    hidden = path.parent / "hidden"
    hidden.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        file.rename(hidden / file.name)
    yield
    for file in sorted(hidden.iterdir(), reverse=True):
        file.rename(path.parent / file.name)


def test_an_application_goes_on_without_its_log_and_recovers(world: World) -> None:
    world.release("1", "2")
    world.flip("1")
    with world.connect() as models:
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)
        with away(world):
            eventually(lambda: route.predict(event()).stale)
            answer = route.predict(event(3.0))
            assert (answer.version, answer.outputs["late"]) == ("1", 3.0)
            assert "E_LOG_UNAVAILABLE" in str(models.live.snapshot.error)
        eventually(lambda: not route.predict(event()).stale)
        world.flip("2")
        eventually(lambda: route.predict(event()).version == "2")


@pytest.mark.parametrize("valid_until", [0, FAR], ids=["for-ever", "valid-until"])
def test_an_application_starts_from_its_cache_and_recovers(world: World, valid_until: int) -> None:
    world.send(replace(release_of(with_version_id(1), "1"), valid_until=valid_until))
    world.release("2")
    world.flip("1")
    with world.connect() as models:
        models.route(ROUTE).wait_until_ready(READY_S)
    with away(world):
        began = time.monotonic()
        models = world.connect()
        assert time.monotonic() - began < 5
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)
        answer = route.predict(event(2.0))
        assert (answer.version, answer.outputs["late"], answer.stale) == ("1", 2.0, True)
    with models:
        eventually(lambda: not route.predict(event()).stale)
        world.flip("2")
        eventually(lambda: route.predict(event()).version == "2")


def test_what_killed_a_probe_is_not_tried_again_after_a_restart(world: World) -> None:
    world.release("1")
    world.release("2", content=bomb())
    world.flip("1")
    world.split({"1": "100", "2": "0"})
    kept: list[tuple[str, int]] = []
    for _ in range(2):
        with world.connect() as models:
            models.route(ROUTE).wait_until_ready(READY_S)
            eventually(partial(refuses, models, "2", "E_PROBE_CRASH"), within=READY_S)
        (verdict,) = (world.folder / "cache" / "verdicts").glob("*/killed-*")
        kept.append((verdict.name, verdict.stat().st_mtime_ns))
    assert kept[0] == kept[1]


# -- threads


def test_each_answer_is_of_one_version_while_versions_change_under_eight_threads(
    world: World,
) -> None:
    versions = [str(n) for n in range(1, 6)]
    world.release(*versions)
    world.flip("1")
    stop = threading.Event()
    mixed: list[object] = []
    counted: Counter[str] = Counter()

    with world.connect() as models:
        route = models.route(ROUTE)
        route.wait_until_ready(READY_S)

        def ask() -> None:
            seen: Counter[str] = Counter()
            while not stop.is_set():
                answer = route.predict(event(2.0), key="k")
                if answer.outputs["version_id"] != int(answer.served_by):
                    mixed.append(answer)
                batch = route.predict_batch([event(1.0), event(2.0)], keys=["a", "b"])
                ids = set(batch.outputs["version_id"].tolist())
                if ids != {int(batch[0].served_by)} or batch.errors:
                    mixed.append(batch)
                seen[answer.served_by] += 1
            counted.update(seen)

        threads = [threading.Thread(target=_noting(ask, mixed)) for _ in range(8)]
        for thread in threads:
            thread.start()
        with running(*python(actors.flip, world.url, 200, *versions)) as flipping:
            last = flipping.hear()
        eventually(lambda: route.predict(event()).version == last, within=READY_S)
        stop.set()
        for thread in threads:
            thread.join()
    assert mixed == []
    assert len(counted) > 1


def _noting(ask: Callable[[], None], faults: list[object]) -> Callable[[], None]:
    def asked() -> None:
        try:
            ask()
        except Exception as error:
            faults.append(error)

    return asked
