"""What an application's own loop answers is counted to the last event, and measured at times."""

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from modelwire.models import Models
from modelwire.reporting.recorder import Changed
from modelwire.routing.samples import Sample
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Shadow, Split, Variant
from modelwire_schemas.telemetry import Role
from tests.models.good import bytes_of, constant, model_of, repeated, rows_of, take_features
from tests.world import READY_S, ROUTE, World, event, world_on


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("calls")
    with world_on(f"memory:{uuid.uuid4().hex}", folder) as made:
        made.release("1", "2")
        made.flip("1")
        made.split({"1": "50", "2": "50"}, route="halves")
        whole = Rule("all", (Variant("stable", "1", ((0, BUCKETS),)),))
        made.write(RoutingDocument("beside", ROUTE, (whole,), (Shadow("2"),)))
        sides = (Variant("a", "1", ((0, 5000),)), Variant("b", "2", ((5000, BUCKETS),)))
        both = Rule("all", sides, Split(salt="halves"))
        made.write(RoutingDocument("both", ROUTE, (both,), (Shadow("2", 2500, "dark"),)))
        yield made


@pytest.fixture
def models(world: World) -> Iterator[Models]:
    with world.connect() as connected:
        for name in (ROUTE, "halves", "beside", "both"):
            connected.route(name).wait_until_ready(READY_S)
        assert connected.live.wait_for(lambda s: len(s.warm) == 2, READY_S)
        yield connected


def told(models: Models, route: str = ROUTE) -> list[Changed]:
    models.live.collect()
    return [one for one in models.live.recorder.changed() if one.key.route == route]


def predictions(changed: list[Changed]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in changed:
        assert one.window.routed >= one.window.predictions
        found[one.key.version] += one.window.predictions
    return found


def test_single_calls_are_all_counted_and_some_are_measured(models: Models) -> None:
    route = models.route(ROUTE)
    for number in range(200):
        route.predict(event(float(number)))
    changed = told(models)
    assert predictions(changed) == {"1": 200}
    measured = sum(one.window.latency.moments.count for one in changed)
    assert 1 <= measured < 200
    outputs = [output for one in changed for output in one.window.outputs if output.name == "late"]
    assert sum(output.sketch.moments.count for output in outputs) == measured


def test_calls_by_rules_are_counted_where_they_were_sent(models: Models) -> None:
    route = models.route("halves")
    versions = Counter(route.predict(event(), key=f"k{n}").served_by for n in range(300))
    assert predictions(told(models, "halves")) == versions
    assert len(versions) == 2


def test_batches_are_counted_by_row(models: Models) -> None:
    whole, halves = models.route(ROUTE), models.route("halves")
    for _ in range(3):
        whole.predict_batch([event()] * 20)
        halves.predict_batch([event()] * 50, keys=[f"k{n}" for n in range(50)])
    assert predictions(told(models)) == {"1": 60}
    assert predictions(told(models, "halves")).total() == 150


def test_events_that_do_not_fit_are_errors_of_the_version_that_was_meant(models: Models) -> None:
    whole, halves = models.route(ROUTE), models.route("halves")
    for route in (whole, halves):
        for _ in range(4):
            with pytest.raises(Rejected, match="E_FIELD_MISSING"):
                route.predict({"a": 1.0}, key="k")
    answers = whole.predict_batch([event(), {"a": 1.0}])
    assert len(answers.errors) == 1
    for name, count in ((ROUTE, 5), ("halves", 4)):
        changed = told(models, name)
        errors = sum((Counter(dict(one.window.errors)) for one in changed), Counter[str]())
        assert errors == {"E_FIELD_MISSING": count}
        assert sum(one.window.routed for one in changed) == count + (name == ROUTE)


def test_what_is_measured_is_what_was_answered_whatever_the_caller_does_with_it(
    models: Models,
) -> None:
    answer = models.route(ROUTE).predict_batch([event(5.0)] * 10)
    answer.outputs["late"][:] = 1e6
    divided = models.route("halves").predict_batch([event(5.0)] * 10, keys=[*"abcdefghij"])
    divided.outputs["late"][:] = 1e6
    changed = told(models) + told(models, "halves")
    outputs = [o for one in changed for o in one.window.outputs if o.name == "late"]
    assert outputs
    assert {output.sketch.moments.mean for output in outputs} == {5.0}


def pairs(models: Models, route: str) -> dict[str, int]:
    """Return by live version how many events a shadow was compared on."""
    models.live.shadows.finish(READY_S)
    found: Counter[str] = Counter()
    for one in told(models, route):
        for pair in one.window.pairs:
            if pair.output == "version_id":
                assert (one.key.role, one.key.version) == (Role.SHADOW, "2")
                assert pair.difference.moments.mean == 2 - int(pair.against)
                found[pair.against] += pair.difference.moments.count
            else:
                assert pair.unequal == 0  # the same event on both sides
    return dict(found)


def test_shadows_get_what_an_own_loop_answers(models: Models) -> None:
    route = models.route("beside")
    for number in range(20):
        changing = event(float(number))
        route.predict(changing, key=f"k{number}")
        changing["a"] = 1e6
    assert pairs(models, "beside") == {"1": 20}
    matrix = np.full((50, 4), 3.0, np.float32)
    route.predict_batch(matrix)
    matrix[:] = 1e6
    assert pairs(models, "beside") == {"1": 70}


def test_a_shadows_sample_of_an_own_loop_is_drawn_by_key_from_what_others_answer(
    models: Models,
) -> None:
    route, keys = models.route("both"), [f"k{number}" for number in range(200)]
    drawn = Sample(Shadow("2", 2500, "dark")).rows(keys, None, None, None)
    answered = [route.predict(event(), key=key).served_by for key in keys]
    others = sum(answered[row] == "1" for row in drawn)
    assert 0 < others < len(drawn)
    assert pairs(models, "both") == {"1": others}
    route.predict_batch([event()] * 200, keys=keys)
    assert pairs(models, "both") == {"1": 2 * others}


def test_what_a_shadow_has_no_room_for_is_dropped_and_counted(models: Models) -> None:
    models.live.shadows.close(READY_S)
    models.route("beside").predict_batch([event()] * 30)
    told(models, "beside")
    assert models.live.recorder.dropped("beside") == (("2", 30),)


def test_a_version_that_raises_while_a_fallback_answers_is_an_error_and_a_substitution(
    tmp_path: Path,
) -> None:
    with world_on(f"memory:{uuid.uuid4().hex}", tmp_path) as world:
        world.release("1")
        world.release("2", content=picky())
        rule = Rule("all", (Variant("stable", "2", ((0, BUCKETS),)),))
        world.write(RoutingDocument(ROUTE, ROUTE, (rule,), fallback=("1",)))
        with world.connect() as models:
            assert models.route(ROUTE) is not None
            assert models.live.wait_for(lambda s: len(s.warm) == 2, READY_S)
            assert models.route(ROUTE).predict(event(1e9)).served_by == "1"
            (one,) = told(models)
    window = one.window
    assert (one.key.version, window.routed, window.predictions) == ("2", 1, 0)
    assert (window.substituted, window.errors) == (1, (("E_MODEL", 1),))


def picky() -> bytes:
    """Return a model that raises where an event's mean is beyond 1: it looks up a table of two."""
    nodes = [
        helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Cast", ["mean"], ["place"], to=TensorProto.INT64),
        constant("table", np.array([0.25, 0.75], np.float32)),
        helper.make_node("Gather", ["table", "place"], ["late"]),
        *rows_of("features"),
        *repeated("version_id", np.array([2], np.int64)),
    ]
    outputs = {"late": TensorProto.FLOAT, "version_id": TensorProto.INT64}
    return bytes_of(model_of(nodes, [take_features(4)], outputs=outputs))
