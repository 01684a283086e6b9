"""Verbs that stop, propose and rule, as people meet them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire_log.open import open_log
from modelwire_router.changes import split
from modelwire_router.cli.policy_file import read_policy
from modelwire_router.demo.files import model
from modelwire_schemas.errors import Rejected
from modelwire_schemas.rollout import Rollout
from tests.router.cli.desk import Desk
from tests.waiting import eventually

ROUTE = "flights-late"
POLICY = """\
lead: 500
roles:
  - may: route
    routes: ["flights-*"]
    roles: [operator, "*-lead"]
  - {may: release, models: ["*"], authors: [ann], roles: [publisher]}
approvals:
  - {routes: [flights-late], needed: 2}
blackouts:
  - {from: 2000-12-24T00:00:00Z, to: 2000-12-26T12:00:00Z, reason: the holidays}
"""


@pytest.fixture
def people(route: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a terminal at which ann sits."""
    monkeypatch.setenv("LOGNAME", "ann")
    return route


def roll(desk: Desk) -> None:
    """Begin a rollout of version 2."""
    with open_log(desk.url) as log:
        state = fold_log(log, "default")
        asked = split(state, ROUTE, {"1": "95", "2": "5"})
        (change,) = asked.changes
        rollout = Rollout("late-2", "{}", 1, 1, 1)
        document = replace(change.document, rollout=rollout)
        body = replace(asked, changes=(replace(change, document=document),))
        submit(log, "default", body, By("controller-1")).verdict.check()


def test_a_freeze_is_told_by_status_and_history_until_it_is_lifted(people: Desk) -> None:
    people.ok("freeze", ROUTE, "--reason", "incident 7")
    assert "flights-late is frozen by ann: incident 7" in people.ok("status").err
    (row,) = people.data("status")
    assert row["frozen"] == "ann: incident 7"
    assert "already frozen by ann" in people.ok("freeze", ROUTE, "--reason", "again").out
    people.ok("unfreeze", ROUTE, "--reason", "it is over")
    assert people.data("status")[0]["frozen"] == ""
    told = [row["what"] for row in people.data("history", ROUTE)][-3:]
    assert told == ["freeze flights-late", "freeze flights-late", "unfreeze flights-late"]


@pytest.mark.parametrize("verb", ["freeze", "unfreeze"])
def test_a_freeze_needs_a_reason_and_a_route(people: Desk, verb: str) -> None:
    assert people(verb, ROUTE).code == 2
    said = people(verb, "nobody", "--reason", "x")
    assert (said.code, said.err[:16]) == (3, "E_UNKNOWN_ROUTE:")


def test_an_abort_ends_the_rollout_that_is_under_way(people: Desk) -> None:
    before = people.end()
    said = people("abort", ROUTE)
    assert said.code == 3
    assert "E_NO_ROLLOUT" in said.err
    assert people.end() == before
    roll(people)
    assert "flights-late rollout late-2: progressing" in people.ok("status").err
    said = people.ok("abort", ROUTE, "--reason", "scores are off")
    assert "rollout late-2 aborted" in said.out
    (row,) = people.data("status")
    assert (row["shares"], row["rollout"]) == ("1 100 %", "late-2: aborted")
    assert people("abort", ROUTE).code == 5


def test_what_is_set_is_shown_and_can_be_set_again(people: Desk) -> None:
    people.ok("policy", "set", "-f", people.write("policy.yaml", POLICY))
    shown = people.ok("policy", "show").out
    assert "flights-*" in shown
    (first,) = people.data("policy", "show")
    people.ok("policy", "set", "-f", people.write("again.yaml", shown))
    assert people.data("policy", "show") == [first]
    assert first["blackouts"][0]["from"] == "2000-12-24T00:00:00Z"
    assert people.data("history")[-1]["what"] == (
        "policy lead 500 ms, 2 rights, 1 approvals, 1 blackouts"
    )


def test_a_lead_that_is_left_out_stays(people: Desk) -> None:
    people.ok("policy", "set", "-f", people.write("a.yaml", "lead: 700\n"))
    people.ok("policy", "set", "-f", people.write("b.yaml", "approvals: []\n"))
    assert people.data("policy", "show")[0]["lead"] == 700


FAULTS = {
    "what: 1\n": "1:1: E_UNKNOWN_FIELD: unknown field what",
    "lead: fast\n": "1:7: E_POLICY: lead is 'fast'",
    "lead: true\n": "1:7: E_POLICY: lead is True",
    "lead: -1\n": "1:7: E_POLICY: lead is -1",
    "[]\n": "1:1: E_POLICY: []",
    "roles: ann\n": "1:8: E_POLICY: roles is 'ann'",
    "roles: [ann]\n": "1:9: E_POLICY: 'ann'; expected a mapping",
    "roles:\n  - {may: fly, routes: [a], authors: [b]}\n": "2:11: E_POLICY: may is 'fly'",
    "roles:\n  - {may: route, models: [a], authors: [b]}\n": "E_POLICY: models in a right to route",
    "roles:\n  - {may: route, routes: [a]}\n": "2:5: E_POLICY: nobody has this right",
    "roles:\n  - {may: route, routes: [], authors: [b]}\n": "E_POLICY: routes is empty",
    "roles:\n  - {may: route, routes: [1], authors: [b]}\n": "2:27: E_POLICY: 1; expected a name",
    "roles:\n  - {may: route, routes: [a], authors: [NO]}\n": "2:41: E_YAML: NO is read as false",
    "lead: 0500\n": "1:7: E_YAML: 0500 is read as 320",
    "approvals:\n  - {routes: [a], needed: 0}\n": "2:27: E_POLICY: needed is 0",
    "approvals:\n  - {routes: [a]}\n": "2:5: E_POLICY: no needed; expected",
    "blackouts:\n  - {from: soon, to: 2027-01-01T00:00:00Z}\n": "2:12: E_TIME: 'soon' is no time",
    "blackouts:\n  - {from: 2027-01-01T00:00:00, to: 9}\n": "E_TIME: '2027-01-01T00:00:00' has no",
    "blackouts:\n  - {from: 9, to: 9}\n": "2:19: E_POLICY: it ends before it begins",
    "blackouts:\n  - {from: 9}\n": "2:5: E_POLICY: no to; expected",
    "blackouts:\n  - {from: 1, to: 2, reason: [a]}\n": "2:30: E_POLICY: the reason is ['a']",
    "a: 1\na: 2\n": "E_YAML",
    "--- {}\n--- {}\n": "E_YAML: 2 documents",
    "": "E_EMPTY",
    "# nothing\n": "E_YAML: 0 documents",
}


@pytest.mark.parametrize(("content", "fault"), FAULTS.items(), ids=range(len(FAULTS)))
def test_a_fault_of_a_policy_is_told_with_its_place(
    tmp_path: Path, content: str, fault: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(content)
    with pytest.raises(Rejected) as caught:
        read_policy(file, 500)
    assert fault in str(caught.value)


def test_all_faults_of_a_policy_are_told_at_once_and_nothing_is_set(people: Desk) -> None:
    before = people.end()
    content = "lead: fast\nroles: [{may: fly}]\nblackout: []\n"
    said = people("policy", "set", "-f", people.write("policy.yaml", content))
    assert [line.split(": ")[1] for line in said.err.splitlines()] == [
        "E_POLICY",
        "E_POLICY",
        "E_POLICY",
        "E_POLICY",
        "E_UNKNOWN_FIELD",
    ]
    assert said.code == 5
    assert people.end() == before


def test_a_change_is_proposed_and_approved_by_others(
    people: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.ok("policy", "set", "-f", people.write("policy.yaml", POLICY))
    assert "E_APPROVAL" in people("split", ROUTE, "1=50", "2=50").err
    (made,) = people.data("split", ROUTE, "1=50", "2=50", "--propose", "--reason", "better")
    number = made["proposal"]
    (row,) = people.data("proposals")
    assert (row["proposal"], row["by"], row["needed"]) == (number, "ann", 2)
    assert row["what"] == "flights-late: 1 50 %, 2 50 %"
    assert "1 changes wait for approval" in people.ok("status").err
    assert "of their own" in people("approve", number).err
    monkeypatch.setenv("LOGNAME", "bob")
    assert "1 of 2 approve it" in people.ok("approve", number).out
    assert people.data("proposals")[0]["approved"] == "bob"
    monkeypatch.setenv("LOGNAME", "carl")
    assert "flights-late@2" in people.ok("approve", number).out
    assert people.data("status")[0]["shares"] == "1 50 %, 2 50 %"
    assert people.data("status")[0]["by"] == "ann"
    assert people.ok("proposals").err == "no proposals wait\n"
    assert "E_NO_PROPOSAL" in people("approve", number).err


def test_a_release_that_ran_out_gets_no_events(people: Desk) -> None:
    until = ("--valid-until", "2001-01-01T00:00:00Z")
    people.ok("publish", ROUTE, model("v2"), "--version", "3", *until)
    said = people("split", ROUTE, "1=50", "3=50")
    assert said.code == 5
    assert "E_EXPIRED_RELEASE: flights-late 3 was valid until" in said.err
    people.ok("split", ROUTE, "1=100", "3=0")


def test_what_would_be_refused_is_not_proposed(people: Desk) -> None:
    people.ok("policy", "set", "-f", people.write("policy.yaml", POLICY))
    before = people.end()
    assert "E_UNKNOWN_VERSION" in people("split", ROUTE, "1=50", "9=50", "--propose").err
    assert people.end() == before


def test_a_role_is_said_by_an_option_or_the_environment(
    people: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "roles:\n  - {may: route, routes: ['*'], roles: ['*-lead']}\n"
    people.ok("policy", "set", "-f", people.write("policy.yaml", content))
    said = people("split", ROUTE, "1=50", "2=50")
    assert said.code == 5
    assert "E_ROLE: ann as operator may not route flights-late; expected one of *-lead" in said.err
    monkeypatch.setenv("MODELWIRE_ROLE", "day-lead")
    people.ok("split", ROUTE, "1=50", "2=50")


def test_a_blackout_is_over_at_its_end_though_nothing_was_written_since(people: Desk) -> None:
    now = datetime.now(UTC)
    until = now + timedelta(seconds=4)
    content = f"blackouts:\n  - {{from: {now.isoformat()}, to: {until.isoformat()}}}\n"
    people.ok("policy", "set", "-f", people.write("policy.yaml", content))
    assert "E_BLACKOUT" in people("split", ROUTE, "1=50", "2=50").err
    eventually(lambda: people("split", ROUTE, "1=50", "2=50").code == 0)


def test_a_blackout_takes_back_what_is_scheduled(people: Desk) -> None:
    people.ok("split", ROUTE, "1=50", "2=50", "--at", "2100-12-24T12:00:00Z")
    content = "blackouts:\n  - {from: 2100-12-24T00:00:00Z, to: 2100-12-27T00:00:00Z}\n"
    said = people.ok("policy", "set", "-f", people.write("policy.yaml", content))
    assert "flights-late@3: what would take effect in a blackout was taken back" in said.err
    said = people("split", ROUTE, "1=50", "2=50", "--at", "2100-12-25T00:00:00Z")
    assert "E_BLACKOUT" in said.err
