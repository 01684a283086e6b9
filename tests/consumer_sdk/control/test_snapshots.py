"""Snapshots: with the tail they are the full fold at every cut."""

import secrets
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from modelwire.clock import ManualClock
from modelwire.control.fold import fold
from modelwire.control.follower import Control, Follower
from modelwire.control.reading import (
    fold_log,
    read_entries,
)
from modelwire.control.saved import state_hash
from modelwire.control.snapshots import (
    EVERY,
    MAX_CHUNKS,
    beginning,
    restored,
    usable,
)
from modelwire.control.state import Request, State, Verdict
from modelwire_log.contract import START, Message
from modelwire_schemas.control import Body
from modelwire_schemas.errors import Rejected
from modelwire_schemas.policy import Approvals, PolicySet
from modelwire_schemas.rollout import Phase, Rollout
from modelwire_schemas.routing import (
    RolloutAborted,
    RouteFrozen,
    RoutingApproved,
    RoutingChanged,
    RoutingProposed,
)
from tests.consumer_sdk.control.making import (
    BEGIN,
    LEAD,
    MINUTE,
    ROUTE,
    change,
    document,
    release,
    withdrawal,
)
from tests.consumer_sdk.control.snapshotted import NAMESPACE, WHOLE, Watched, history, story, whole

# Snapshot and tail are the full fold


revisions = st.integers(0, 4)
versions = st.integers(1, 3).map(str)
times = st.sampled_from([None, BEGIN + 5 * MINUTE, BEGIN + MINUTE, BEGIN - 1])


@st.composite
def changes(draw: st.DrawFn) -> RoutingChanged:
    at_once = draw(st.booleans())
    return change(
        draw(versions | st.just({"1": 3000, "2": 7000})),
        draw(revisions),
        at=None if at_once else draw(times),
        at_once=at_once,
        cancels=draw(st.sampled_from([(), (2,), (3,)])),
    )


def step(phase: Phase, replaces: int, at: int) -> Body:
    rollout = Rollout("late-2", "{}", 0, at, at, phase)
    whole_document = replace(document({"1": 9000, "2": 1000}), rollout=rollout)
    return replace(change(whole_document, replaces), automatic=True, decided_at=at)


bodies: st.SearchStrategy[Body] = st.one_of(
    changes(),
    changes(),
    st.builds(release, versions),
    st.builds(withdrawal, versions),
    st.builds(step, st.sampled_from([*Phase]), revisions, st.just(BEGIN)),
    st.builds(RouteFrozen, st.just(ROUTE), st.booleans()),
    st.just(RolloutAborted(ROUTE, "late-2")),
    st.builds(PolicySet, st.sampled_from([LEAD, 200, 900])),
    st.just(PolicySet(LEAD, approvals=(Approvals(("*",), 1),))),
    st.builds(RoutingProposed, changes(), st.just(BEGIN + 5 * MINUTE)),
    st.builds(RoutingApproved, st.integers(0, 12)),
)
said = st.tuples(
    bodies,
    st.sampled_from(["", "", "", "once"]),
    st.sampled_from([10 * MINUTE, 1_000, 2 * 24 * 60 * MINUTE]),
    st.sampled_from([0, 100, LEAD, MINUTE]),
)


@given(st.lists(said | st.just(b"nonsense"), max_size=12))
@settings(max_examples=80)
def test_snapshot_and_tail_are_the_full_fold_at_every_cut(
    given: list[tuple[Body, str, int, int] | bytes],
) -> None:
    log = Watched(ManualClock(BEGIN))
    for body in (release("1"), release("2"), change("1", 0)):
        log.say(body)
    for one in given:
        if isinstance(one, bytes):
            log.put(Message(one))
        else:
            log.clock.advance(one[3])
            log.say(*one[:3])
    states = log.states()
    for state in states:
        log.keep(*log.chunks(state))
        chunks = next(iter(usable(log, NAMESPACE, len(states) - 1)))
        found = restored(chunks)
        assert found is not None
        assert found == state
        again, _ = fold(found, read_entries(log, NAMESPACE, state.offset))
        assert again == states[-1]
        assert state_hash(again) == state_hash(states[-1])


def test_a_fold_begins_at_the_newest_snapshot() -> None:
    log = history(WHOLE)
    states = story(WHOLE)[1]
    for offset in (100, EVERY + 20):
        log.keep(*log.chunks(states[offset]))
    log.reads.clear()
    assert fold_log(log, NAMESPACE) == states[-1]
    assert log.reads == [EVERY + 20]


def test_a_short_log_is_folded_without_looking_for_a_snapshot() -> None:
    log = history(20)
    log.keep(*log.chunks(story(20)[1][10]))
    log.reads.clear()
    fold_log(log, NAMESPACE)
    assert log.reads == [START]


def test_a_follower_begins_at_the_newest_snapshot() -> None:
    log = history(WHOLE)
    states = story(WHOLE)[1]
    log.keep(*log.chunks(states[EVERY]))
    told: list[Control] = []
    follower = Follower(log, NAMESPACE, told.append, clock=log.clock)
    log.reads.clear()
    follower.advance()
    assert log.reads == [EVERY]
    assert told[-1].state == states[-1]
    log.say(change("2", states[-1].routes[ROUTE].head.revision))
    follower.advance()
    assert told[-1].state == whole(log)


def test_a_snapshot_behind_the_place_that_is_asked_for_is_not_used() -> None:
    log = history(WHOLE)
    states = story(WHOLE)[1]
    log.keep(*log.chunks(states[80]))
    log.keep(*log.chunks(states[EVERY + 50]))
    log.reads.clear()
    assert fold_log(log, NAMESPACE, last=EVERY + 20) == states[EVERY + 20]
    assert log.reads == [80]


def test_a_snapshot_of_what_came_later_is_not_used() -> None:
    log = history(WHOLE)
    log.keep(*log.chunks(story(WHOLE)[1][EVERY + 30]))
    assert beginning(log, NAMESPACE, EVERY) == State()


def test_who_wants_every_verdict_folds_everything() -> None:
    log = history(WHOLE)
    log.keep(*log.chunks(story(WHOLE)[1][EVERY]))
    seen: list[Verdict] = []
    fold_log(log, NAMESPACE, each=lambda entry, verdict: seen.append(verdict))
    assert len(seen) == WHOLE


# Large states


def large(size: int) -> State:
    """Return a state that takes `size` bytes however it is packed."""
    verdict = Verdict(0, "once", detail=secrets.token_hex(size))
    return State(offset=0, now=BEGIN, requests={"once": Request("0" * 64, BEGIN, verdict)})


def test_a_large_state_travels_in_pieces_that_writers_may_mix() -> None:
    log = history(3)
    one, other = large(2_000_000), large(1_500_000)
    first, second = log.chunks(one), log.chunks(other)
    assert (len(first), len(second)) == (3, 2)
    log.keep(first[0], second[1], first[0], first[2], second[0], first[1])
    assert [restored(c) for c in usable(log, NAMESPACE, 2)] == [one, other]


def test_a_state_above_the_cap_is_not_cut() -> None:
    log = history(3)
    with pytest.raises(Rejected, match="E_TOO_BIG"):
        log.chunks(large(MAX_CHUNKS * 1024 * 1024))
