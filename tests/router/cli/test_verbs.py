"""Every verb as a person meets it: what it prints, where, and with which exit code."""

import re
import signal
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire.door import connect
from modelwire.models import Models
from modelwire_log.contract import Message
from modelwire_log.open import open_log
from modelwire_router.changes import flip
from modelwire_router.cli.main import VERBS, run
from modelwire_router.demo.bomb import bomb_release
from modelwire_router.demo.files import flights, model
from tests.processes import modelwire, running
from tests.router.cli.desk import Desk
from tests.waiting import eventually
from tests.world import World, world_on

ROUTE = "flights-late"


def test_the_list_of_verbs_ends_no_line_in_the_middle(desk: Desk) -> None:
    lines = desk.ok("--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    told = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert told["undo"].endswith("Take ROUTE back, at once")
    assert [verb for verb in VERBS if told[verb].endswith(("...", ",", ";"))] == []


def test_options_of_all_verbs_may_stand_behind_the_verb(route: Desk) -> None:
    told = route.data("status", ROUTE)
    assert route("status", ROUTE, "--json").rows == told
    assert route("status", "--json", "--log", route.url, log="sqlite:///nowhere.db").rows == told
    assert route("policy", "show", "--json").rows == route.data("policy", "show")
    assert route("status", "--namespace", "no such").code == 5
    policy = "roles: [{may: route, routes: ['*'], roles: [lead]}]"
    route.ok("policy", "set", "-f", route.write("policy.yaml", policy))
    assert route("split", ROUTE, "1=50", "2=50").code == 5
    route.ok("split", ROUTE, "1=50", "2=50", "--role", "lead")


def test_an_unknown_verb_is_told_what_may_be_meant(desk: Desk) -> None:
    assert "Did you mean status" in desk("stat").err


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert [verb for verb in VERBS if verb not in said] == []
    for verb in VERBS:
        assert run([verb, "--help"]) == 0
    assert run(["--version"]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-verb"],
        ["flip"],
        ["flip", "a"],
        ["publish", "m", "f"],
        ["status", "--timeout", "soon"],
        ["undo", "r", "--step", "--to", "1"],
        ["flip", "r", "1", "--at", "2026-01-01T00:00:00Z", "--at-once"],
        ["score", "--route", "r"],
        ["score", "--route", "r", "--in", "a", "--out", "b", "--from", "tomorrow"],
        ["completion", "tcsh"],
    ],
)
def test_wrong_usage_is_two(desk: Desk, words: list[str]) -> None:
    said = desk(*words)
    assert (said.code, said.out) == (2, "")
    assert "Usage:" in said.err or "Error:" in said.err


def test_a_verb_without_a_log_says_how_to_name_one(desk: Desk) -> None:
    said = desk("status", log="")
    assert said.code == 5
    assert said.err.startswith("E_CONFIG: no log is given")
    assert "MODELWIRE_LOG" in said.err


def test_publish_says_what_it_checked_and_what_is_next(desk: Desk) -> None:
    said = desk.ok("publish", ROUTE, model("v1"), "--version", "1")
    assert said.out.startswith("checks   ")
    assert "released flights-late 1   sha256:" in said.out
    assert "next: modelwire flip flights-late 1" in said.err
    again = desk.ok("publish", ROUTE, model("v1"), "--version", "1")
    assert "already released flights-late 1" in again.out
    (row,) = desk.data("publish", ROUTE, model("v2"), "--version", "2", "--label", "team=delays")
    assert (row["model"], row["version"], row["offset"], row["already"]) == (ROUTE, "2", 1, False)
    assert desk.end() == 1


def test_a_dry_run_of_publish_writes_nothing(desk: Desk) -> None:
    said = desk.ok("publish", ROUTE, model("v1"), "--version", "1", "--dry-run")
    assert "would release" in said.out
    assert desk.end() == -1


def test_releases_and_show_tell_what_is_there(route: Desk) -> None:
    rows = route.data("releases")
    assert [(r["version"], r["state"]) for r in rows] == [("1", ROUTE), ("2", "unused")]
    assert "VERSION" in route.ok("releases", ROUTE).out
    (shown,) = route.data("show", ROUTE, "2")
    assert (shown["version"], shown["offset"], shown["withdrawn"]) == ("2", 1, False)
    assert "contract:" in route.ok("show", ROUTE, "2").out


def test_a_version_that_nothing_names_can_be_withdrawn(route: Desk) -> None:
    said = route.ok("withdraw", ROUTE, "2", "--reason", "trained on the wrong month")
    assert "flights-late 2 is withdrawn" in said.out
    assert "next: modelwire prune" in said.err
    assert route.data("releases")[1]["state"] == "withdrawn"
    assert route("flip", ROUTE, "2").code == 5
    assert "nothing to prune" in route.ok("prune").err


def test_flip_split_and_undo_tell_revision_and_time(route: Desk) -> None:
    (row,) = route.data("flip", ROUTE, "2", "--reason", "better")
    assert row["routes"] == {ROUTE: 2}
    assert row["effective"] > 0
    said = route.ok("split", ROUTE, "1=90", "2=10")
    assert f"revision {ROUTE}@3, for events from 20" in said.out
    assert f"next: modelwire status {ROUTE} --wait" in said.err
    said = route.ok("undo", ROUTE, "--reason", "too many complaints")
    assert "back to revision 2, 2" in said.out
    assert "for every event that is not scored yet" in said.out
    said = route.ok("rollback", ROUTE, "--to", "1")
    assert "back to revision 1, 1" in said.out


def test_undo_goes_to_where_one_version_had_everything(route: Desk) -> None:
    route.ok("split", ROUTE, "1=90", "2=10")
    route.ok("split", ROUTE, "1=50", "2=50")
    assert "back to revision 1, 1" in route.ok("undo", ROUTE).out
    route.ok("split", ROUTE, "1=20", "2=80")
    assert "back to revision" in route.ok("undo", ROUTE, "--step").out


def test_a_change_says_how_much_is_queued_under_the_old_rules(route: Desk) -> None:
    route.ok("feed", "events", flights(), "--limit", "40", "--key-field", "tailnum")
    words = ["score", "--route", ROUTE, "--in", "events", "--out", "scores", "--until-end"]
    assert route.data(*words)[0]["outputs"] == 40
    route.ok("feed", "events", flights(), "--limit", "25", "--key-field", "tailnum")
    said = route.ok("flip", ROUTE, "2")
    assert "25 events of events are still queued under the old rules (group score-" in said.err
    assert "queued" not in route.ok("flip", ROUTE, "1", "--at-once").err


def test_a_change_can_be_for_later_and_status_shows_it(route: Desk) -> None:
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    route.ok("flip", ROUTE, "2", "--at", later)
    (row,) = route.data("status", ROUTE)
    assert row["shares"] == "1 100 %"
    assert [s["shares"] for s in row["scheduled"]] == ["2 100 %"]
    assert "revision 2 from 20" in route.ok("status").err


def test_documents_are_applied_from_yaml(route: Desk) -> None:
    text = """
route: flights-late
rules:
  - name: long-haul
    match: {field: distance, op: Gt, values: [1000]}
    variants: [{version: "2"}]
  - name: rest
    variants: [{version: "1", weight: 90}, {version: "2", weight: 10}]
fallback: ["1"]
"""
    said = route.ok("apply", "-f", route.write("doc.yaml", text), "--expect-revision", 1)
    assert "applied flights-late" in said.out
    (row,) = route.data("status", ROUTE)
    assert row["shares"] == "long-haul: 2 100 %; 1 90 %, 2 10 %"
    answer = route.data("explain", ROUTE, "--event", '{"distance": 2475}', "--at", 2**41)
    assert (answer[0]["version"], answer[0]["rule"], answer[0]["reason"]) == (
        "2",
        "long-haul",
        "match",
    )


def test_several_documents_change_together_or_not_at_all(route: Desk) -> None:
    two = """
- {route: flights-late, rules: [{variants: [{version: "2"}]}]}
- {route: second, model: flights-late, rules: [{variants: [{version: "9"}]}]}
"""
    end = route.end()
    said = route("apply", "-f", route.write("two.yaml", two))
    assert said.code == 5
    assert "E_UNKNOWN_VERSION" in said.err
    route.ok("apply", "-f", route.write("two.yaml", two.replace('"9"', '"1"')))
    assert {r["route"]: r["shares"] for r in route.data("status")} == {
        ROUTE: "2 100 %",
        "second": "1 100 %",
    } or route.end() == end + 2


def test_history_and_explain_tell_the_past(route: Desk) -> None:
    before = int(time.time() * 1000)
    eventually(lambda: int(time.time() * 1000) > before + 1)
    route.ok("flip", ROUTE, "2", "--reason", "better")
    rows = route.data("history", ROUTE)
    assert [(r["revision"], r["verdict"]) for r in rows] == [
        (f"{ROUTE}@1", "accepted"),
        (f"{ROUTE}@2", "accepted"),
    ]
    assert rows[1]["reason"] == "better"
    (then,) = route.data("explain", ROUTE, "--key", "N14228", "--at", before)
    (later,) = route.data("explain", ROUTE, "--key", "N14228", "--at", before + 60_000)
    (first,) = route.data("explain", ROUTE, "--at", before + 60_000, "--offset", 2)
    assert (then["version"], later["version"], first["version"]) == ("1", "2", "1")
    text = route.ok("explain", ROUTE, "--key", "N14228", "--at", before).out
    assert "flights-late 1   (rule all · variant 1 · reason sole)" in text


def test_what_would_be_rejected_is_not_written_and_what_was_stays_in_the_history(
    route: Desk,
) -> None:
    end = route.end()
    assert route("flip", ROUTE, "9").code == 5
    assert route.end() == end
    with open_log(route.url) as log:
        submit(log, "default", flip(fold_log(log, "default"), ROUTE, "9"), By("ada"))
    assert route.data("history", ROUTE)[-1]["verdict"] == "E_UNKNOWN_VERSION"


def test_who_comes_second_gets_four_and_the_winners_name(route: Desk) -> None:
    with open_log(route.url) as log:
        state = fold_log(log, "default")
        change = flip(state, ROUTE, "2")
        submit(log, "default", change, By("ada", "first")).verdict.check()
    text = "{route: flights-late, rules: [{variants: [{version: '1'}]}]}"
    said = route("apply", "-f", route.write("doc.yaml", text), "--expect-revision", 1)
    assert said.code == 4
    assert said.err.startswith("E_CONFLICT: ")
    assert "ada" in said.err


def test_feed_and_read_carry_events(desk: Desk) -> None:
    lines = desk.write("events.jsonl", '{"id": "a", "x": 1, "t": 1000}\n\n{"id": "b", "x": null}\n')
    (row,) = desk.data("feed", "events", lines, "--key-field", "id", "--partitions", 1)
    assert row == {"stream": "events", "events": 2}
    rows = desk.data("read", "events")
    assert [(r["offset"], r["key"], r["value"]) for r in rows] == [
        (0, "a", {"id": "a", "x": 1, "t": 1000}),
        (1, "b", {"id": "b", "x": None}),
    ]
    assert [r["offset"] for r in desk.data("read", "events", "--last", 1)] == [1]
    assert desk.data("read", "--list") == [{"stream": "events", "partitions": 1, "records": 2}]


def test_feed_takes_times_from_a_field(desk: Desk) -> None:
    desk.ok("feed", "e", flights(), "--limit", 3, "--time-field", "departed_at", "--partitions", 1)
    rows = desk.data("read", "e")
    wanted = int(datetime(2013, 1, 1, 10, 17, tzinfo=UTC).timestamp() * 1000)
    assert rows[0]["time"] == wanted


def test_feed_keeps_to_its_rate(desk: Desk) -> None:
    began = time.monotonic()
    desk.ok("feed", "events", flights(), "--limit", 100, "--rate", 200)
    assert 0.4 < time.monotonic() - began < 5


def test_watch_releases_what_is_dropped_until_it_is_told_to_end(desk: Desk) -> None:
    folder = desk.folder / "models" / ROUTE
    folder.mkdir(parents=True)
    with running(*modelwire("--json", "--log", desk.url, "watch", folder.parent)) as watching:
        (folder / "part").write_bytes(model("v1").read_bytes())
        (folder / "part").rename(folder / "1.onnx")
        row = orjson.loads(watching.hear())
        assert (row["model"], row["version"]) == (ROUTE, "1")
        (folder / "2.onnx").write_bytes(b"no model")
        while "2.onnx: E_FORMAT" not in watching.hear_error():
            pass
        watching.send(signal.SIGTERM)
        code, _, errors = watching.end()
    assert code == 0, errors
    assert [r["version"] for r in desk.data("releases")] == ["1"]


def test_the_control_log_is_read_decoded(route: Desk) -> None:
    rows = route.data("read", "modelwire.default.control")
    assert [r["type"].rpartition(".")[2] for r in rows]
    assert rows[0]["value"]["body"]["model"] == ROUTE


def test_read_follows_what_is_appended(desk: Desk) -> None:
    with open_log(desk.url) as log:
        log.append("events", Message(b'{"n": 1}'))
        with running(*modelwire("--log", desk.url, "read", "events", "--follow")) as reading:
            assert orjson.loads(reading.hear())["value"] == {"n": 1}
            log.append("events", Message(b'{"n": 2}'))
            assert orjson.loads(reading.hear())["value"] == {"n": 2}


def test_score_says_what_it_did(route: Desk) -> None:
    bad = route.write("bad.jsonl", '{"nothing": 1}\n')
    route.ok("feed", "events", bad)
    said = route.ok("score", "--route", ROUTE, "--in", "events", "--out", "o", "--until-end")
    assert said.out == "1 events: 0 outputs, 1 dead\n"
    assert "next: modelwire read o.dead-letters" in said.err
    (letter,) = route.data("read", "o.dead-letters")
    assert letter["headers"]["modelwire-code"] == "E_FIELD_MISSING"


def test_score_logs_which_version_it_refuses(route: Desk) -> None:
    with open_log(route.url) as log:
        contract = fold_log(log, "default").releases[ROUTE]["1"].contract
        bomb = bomb_release(model("bomb"), ROUTE, "3", contract)
        submit(log, "default", bomb, By("x")).verdict.check()
    route.ok("split", ROUTE, "1=100", "3=0")
    route.ok("feed", "events", flights(), "--limit", "5")
    words = ("score", "--route", ROUTE, "--in", "events", "--out", "o")
    with running(*modelwire("--log", route.url, *words)) as scoring:
        heard = [scoring.hear_error() for _ in range(2)]
    assert heard[0].startswith("scoring events → o")
    assert re.match(r"\d{4}-\d\d-\d\dT.*Z flights-late 3 refused: E_PROBE", heard[1])


def test_status_waits_for_the_fleet(route: Desk) -> None:
    with world_on(route.url, route.folder) as world, _connected(world) as models:
        models.route(ROUTE).wait_until_ready(20)
        eventually(lambda: route.data("status")[0]["instances"] == 1)
        route.ok("flip", ROUTE, "2")
        (row,) = route.data("status", ROUTE, "--wait", "--timeout", 20)
        assert (row["instances"], row["ready"]) == (1, 1)
        (instance,) = route.data("fleet")
        assert instance["state"] == "live"
        assert "2 " in instance["versions"]
        assert route.ok("doctor").out.count("ok") >= 5


def test_status_gives_up_with_six_and_says_who_is_late(route: Desk) -> None:
    route.ok("publish", ROUTE, model("v1"), "--version", "3")
    with world_on(route.url, route.folder) as world, _connected(world) as models:
        models.route(ROUTE).wait_until_ready(20)
        eventually(lambda: route.data("status")[0]["instances"] == 1)
    # It said goodbye, so nobody is waited for.
    assert route("status", ROUTE, "--wait", "--timeout", 1).code == 0
    with world_on(route.url, route.folder) as world, _connected(world) as models:
        models.route(ROUTE).wait_until_ready(20)
        instance = models.status().instance
        state = fold_log(world.log, "default")
        contract = state.releases[ROUTE]["1"].contract
        submit(world.log, "default", bomb_release(model("bomb"), ROUTE, "6", contract), By("x"))
        route.ok("split", ROUTE, "1=100", "6=0")
        eventually(lambda: route.data("status")[0]["instances"] == 1)
        said = route("status", ROUTE, "--wait", "--timeout", 1.5)
        assert said.code == 6
        assert said.err.startswith("E_TIMEOUT: 1 not ready after ")
        assert instance in said.err


def _connected(world: World) -> Models:
    return connect(world.url, application="app", cache=world.folder / "cache")


def test_the_cache_is_listed_and_pruned(route: Desk) -> None:
    with world_on(route.url, route.folder) as world, _connected(world) as models:
        models.route(ROUTE).wait_until_ready(20)
    (row,) = route.data("cache", "ls")
    assert row["pinned"]
    assert route.data("cache", "prune") == []
    assert len(route("--json", "cache", "prune", log="").rows) == 1
    assert route.data("cache", "ls") == []


def test_topics_make_streams_where_a_log_has_none(desk: Desk) -> None:
    assert "needs no topics" in desk.ok("topics", "create", "events", "--partitions", 3).err
    assert desk.data("read", "--list")[0]["partitions"] == 3
    assert "no topics to check" in desk.ok("topics", "check").err
    assert "--replication-factor 3" in desk.ok("topics", "print").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(desk: Desk, shell: str) -> None:
    assert "_MODELWIRE_COMPLETE" in desk.ok("completion", shell).out


def test_doctor_finds_what_is_wrong(desk: Desk) -> None:
    said = desk("doctor", log=f"sqlite:///{desk.folder}/no/such/place.db")
    assert said.code == 1
    assert "BAD log" in said.out
    rows = desk("--json", "doctor", log="").rows
    assert (rows[0]["check"], rows[0]["ok"]) == ("log", False)


def test_a_reader_that_has_seen_enough_ends_a_verb_quietly(route: Desk) -> None:
    route.ok("feed", "events", flights(), "--limit", 3000)
    with running(*modelwire("--log", route.url, "read", "events")) as reading:
        reading.hear()
        assert reading.process.stdout is not None
        reading.process.stdout.close()
        reading.process.wait(20)
        assert reading.process.stderr is not None
        assert reading.process.stderr.read() == ""
        assert reading.process.returncode == 0
