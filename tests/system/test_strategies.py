"""Every strategy from a rollout file, by a controller, on real flights: who got which version."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice

import orjson
import pytest

from modelwire.door import connect
from modelwire.models import Models
from modelwire_log.contract import Log, Message
from modelwire_log.open import open_log
from modelwire_router.controller import Controller
from modelwire_router.demo.files import flights
from modelwire_router.feed import read_events
from tests.router.cli.desk import Desk
from tests.system.broker import Broker
from tests.system.field import (
    HEAD,
    MODEL,
    PARTITIONS,
    STAGE,
    Field,
    answers,
    check_share,
    served,
    sides,
)
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Ground:
    """A log with versions of the flights' model, an application, a controller."""

    desk: Desk
    log: Log
    models: Models


@pytest.fixture(scope="module", params=["sqlite", "kafka"])
def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("strategies")
    space = f"strategies-{uuid.uuid4().hex[:8]}"
    on_kafka = request.param == "kafka"
    url = f"sqlite:///{folder}/log.db"
    if on_kafka:
        broker: Broker = request.getfixturevalue("kafka_broker")
        url = broker.url
    desk = Desk(folder, url, space)
    with ExitStack() as held:
        log = held.enter_context(open_log(url))
        if on_kafka:
            desk.ok("topics", "create")
        desk.publish("1", "2", "3", name=MODEL)
        models = held.enter_context(connect(url, namespace=space, cache=folder / "cache"))
        controller = Controller(log, space, every=0.05)
        thread = threading.Thread(target=controller.run)
        thread.start()
        held.callback(thread.join)
        held.callback(controller.stop)
        yield Ground(desk, log, models)


@pytest.fixture
def field(ground: Ground) -> Field:
    """Return a route and streams of a test's own."""
    route = f"late-{uuid.uuid4().hex[:8]}"
    stream = f"{route}.flights"
    sink = f"{stream}.scores"
    streams = (stream, sink, f"{sink}.dead-letters", f"{sink}.shadow")
    if ground.log.capabilities.makes_streams:
        for name in streams:
            ground.log.create(name, PARTITIONS)
    else:
        ground.desk.ok("topics", "create", *streams, "--partitions", PARTITIONS)
    ground.desk.ok("flip", route, "1", "--model", MODEL)
    ground.models.route(route).wait_until_ready(30)
    return Field(ground.desk, ground.log, ground.models, route, stream)


@pytest.fixture
def planes() -> Iterator[Message]:
    """Flights in the order in which they left; a plane is a key."""
    return (Message(f.value, f.key) for f in read_events(flights(), key_field="tailnum"))


def test_a_canary_gives_each_step_its_share_and_moves_nobody_back(
    field: Field, planes: Iterator[Message]
) -> None:
    field.begin("""
  split: {key: event.tailnum, salt: late}
  strategy:
    canary:
      steps: [{setWeight: 10}, {pause: {}}, {setWeight: 40}, {pause: {}}, {setWeight: 100}]
""")
    field.reached(1)
    tenth = sides(field.land(planes))
    check_share(tenth, 0.1)
    field.desk.ok("promote", field.name)
    field.reached(3)
    more = sides(field.land(planes))
    check_share(more, 0.4)
    both = tenth.keys() & more.keys()
    assert not [plane for plane in both if (tenth[plane], more[plane]) == ("2", "1")]
    field.desk.ok("promote", field.name)
    field.reached(5)
    assert served(field.land(planes)) == {"2"}


def test_all_at_once_is_one_step_behind_the_readiness_barrier(
    field: Field, planes: Iterator[Message]
) -> None:
    field.begin("  strategy: {basic: {}}\n")
    field.reached(1)
    assert served(field.land(planes)) == {"2"}
    assert field.route().head.document.rollout.phase == "completed"  # type: ignore[union-attr]


def test_blue_green_holds_the_preview_warm_and_flips_when_promoted(
    field: Field, planes: Iterator[Message]
) -> None:
    field.begin("  strategy: {blueGreen: {autoPromotion: false, keepWarm: 30m}}\n")
    field.reached(1)
    assert served(field.land(planes)) == {"1"}
    assert field.desk("why-not", field.name, "2").code == 0
    field.desk.ok("promote", field.name)
    field.reached(3)
    assert served(field.land(planes)) == {"2"}
    assert field.route().head.document.keep_warm == ("1",)


def test_rolling_moves_whole_partitions(field: Field, planes: Iterator[Message]) -> None:
    field.begin(f"""
  strategy: {{rolling: {{topic: {field.stream}, partitions: 4, batch: 2, pause: 3s}}}}
""")
    field.reached(1)
    outputs = field.land(planes)
    by_partition = {(o["source"]["partition"], o["routed_to"]) for o in outputs}
    assert by_partition == {(0, "2"), (1, "2"), (2, "1"), (3, "1")}
    field.reached(4)
    assert served(field.land(planes)) == {"2"}


def test_shadows_score_their_share_of_the_same_events_and_change_no_answer(
    field: Field, planes: Iterator[Message]
) -> None:
    landing = list(islice(planes, STAGE))
    alone = field.land(iter(landing))
    field.begin("""
  mirror:
    - {version: "3", match: {matchExpressions: [{key: event.origin, operator: In, values: [JFK]}]}}
  strategy: {shadow: {percent: 30, salt: dark}}
""")
    field.reached(1)
    beside, pairs = field.land_beside(landing)
    assert answers(beside) == answers(alone)
    live = {o["id"]: o for o in beside}
    for pair in pairs:
        event = live[pair["id"].removesuffix(f"/{pair['shadow']['version']}")]
        assert (pair["source"], pair["plane"]) == (event["source"], event["plane"])
        assert (pair["live"]["version"], pair["live"]["outputs"]) == ("1", event["outputs"])
    drawn = {pair["plane"] for pair in pairs if pair["shadow"]["version"] == "2"}
    check_share({o["plane"]: "2" if o["plane"] in drawn else "1" for o in beside}, 0.3)
    assert len([p for p in pairs if p["shadow"]["version"] == "2"]) == len(
        [o for o in beside if o["plane"] in drawn]
    )
    same = [pair for pair in pairs if pair["shadow"]["version"] == "3"]
    assert len(same) == sum(orjson.loads(flight.value)["origin"] == "JFK" for flight in landing)
    for pair in same:
        late = pair["live"]["outputs"]["late"]
        assert pair["shadow"]["outputs"]["late"] == pytest.approx(late, abs=1e-6), "1 by its name"
    field.desk.ok("promote", field.name)
    field.reached(2)
    assert served(field.land(iter(landing))) == {"1"}
    assert field.read(field.job.shadow_stream) == []


def test_an_experiment_divides_a_segment_by_plane_and_leaves_the_others(
    field: Field, planes: Iterator[Message]
) -> None:
    field.begin("""
  strategy: {ab: {}}
  routes:
    - name: long-haul
      match: {matchExpressions: [{key: event.distance, operator: Ge, values: [1000]}]}
      split: {key: event.tailnum, salt: long-haul}
      to: [{name: control, version: "1", weight: 50}, {name: treatment, version: "2", weight: 50}]
""")
    field.reached(1)
    outputs = field.land(planes)
    segment = [o for o in outputs if o["rule"] == "long-haul"]
    check_share(sides(segment), 0.5)
    assert {o["variant"] for o in segment} == {"control", "treatment"}
    assert served([o for o in outputs if o["rule"] != "long-haul"]) == {"1"}
    field.desk.ok("promote", field.name)
    field.reached(2)
    assert served(field.land(planes)) == {"1"}


def test_an_experiment_of_three_lets_test_flights_choose_and_ends_at_its_time(
    field: Field, planes: Iterator[Message]
) -> None:
    at = int(time.time() + 12) * 1000
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1000))
    field.begin(f"""
  strategy: {{ab: {{endsAt: {ends}, forced: {{header: x-variant}}}}}}
  routes:
    - name: long-haul
      match: {{matchExpressions: [{{key: event.distance, operator: Ge, values: [1000]}}]}}
      split: {{key: event.tailnum, salt: long-haul}}
      to:
        - {{name: control, version: "1", weight: 40}}
        - {{name: treatment, version: "2", weight: 30}}
        - {{name: other, version: "3", weight: 30}}
""")

    def begun() -> bool:
        head, *recent = field.route().head, *field.route().recent
        return head.effective == at and recent[0].effective < time.time() * 1000

    eventually(begun, within=10)
    landing = list(islice(planes, STAGE))
    for number in range(0, STAGE, 20):
        landing[number] = replace(landing[number], headers=(("x-variant", b"other"),))
    outputs = field.land(iter(landing))
    inside = [o for o in outputs if o["source"]["timestamp"] < at]
    assert len(inside) > STAGE / 2
    forced = [o for o in inside if o["rule"] == "forced-other"]
    assert len(forced) == pytest.approx(len(inside) / 20, abs=len(inside) / 100)
    assert served(forced) == {"3"}
    segment = [o for o in inside if o["rule"] == "long-haul"]
    assert served(segment) == {"1", "2", "3"}
    check_share(sides(segment), 0.3)
    rest = [o for o in inside if o["rule"] not in {"long-haul", "forced-other"}]
    assert served(rest) == {"1"}
    eventually(lambda: time.time() * 1000 > at, within=20)
    assert served(field.land(planes)) == {"1"}


def test_a_scheduled_change_holds_from_an_event_time_on(
    field: Field, planes: Iterator[Message]
) -> None:
    at = int(time.time() * 1000) + 8000
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1000))
    at = at // 1000 * 1000
    field.begin(f"  strategy: {{basic: {{}}}}\n  schedule: {{at: {when}, clock: event}}\n")
    eventually(lambda: field.route().head.effective == at, within=30)
    before = field.land(planes)
    field.reached(1)
    after = field.land(planes)
    for output in (*before, *after):
        assert output["routed_to"] == ("2" if output["source"]["timestamp"] >= at else "1")
    assert served(after) == {"2"}


def test_several_routes_flip_in_one_record_or_not_at_all(field: Field) -> None:
    other = f"{field.name}-other"
    field.desk.ok("flip", other, "1", "--model", MODEL)
    strategy = "  strategy: {basic: {}}\n"
    second = HEAD.replace("name: ROUTE", f"name: {other}")
    field.begin(f"{HEAD}{strategy}---{second}{strategy}", head="")
    assert "readiness" in field.desk.data("get", other)[0]["waits_for"]
    assert field.desk.data("get", field.name)[0]["step"] == "0/1"
    field.models.route(other)
    field.reached(1)
    first, last = field.route().head, field.route(other).head
    assert first.offset == last.offset
    assert (first.document.sole_version(), last.document.sole_version()) == ("2", "2")
