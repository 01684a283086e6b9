"""The state as bytes: there and back, the same everywhere, and nothing else than what was saved."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from modelwire.control.saved import dump, load, state_hash
from modelwire.control.state import (
    Accepted,
    Floor,
    Freeze,
    Proposal,
    Release,
    Request,
    RouteState,
    State,
    Verdict,
)
from modelwire.control.timeline import in_force
from modelwire_schemas.errors import Corrupt, ModelwireError, TooNew
from modelwire_schemas.routing import ModelVersion, RouteRevision
from tests.consumer_sdk.control.making import Book, change, document, release, served, withdrawal
from tests.schemas import strategies as words

T = TypeVar("T")
ROOT = Path(__file__).parents[3]

numbers = st.integers(-(2**62), 2**62)
named = st.builds(ModelVersion, words.names, words.versions)
freezes = st.builds(Freeze, words.words, words.texts, numbers, words.naturals)


@st.composite
def releases(draw: st.DrawFn) -> Release:
    body = draw(words.releases)
    return Release(
        body.model,
        body.version,
        replace(body.artifact, inline=(), chunks=()),
        body.contract,
        body.requirements,
        draw(words.naturals),
        draw(numbers),
        draw(words.words),
        draw(st.booleans()),
        body.valid_until,
    )


@st.composite
def routes(draw: st.DrawFn) -> RouteState:
    revisions = draw(st.lists(words.naturals, min_size=1, max_size=5, unique=True).map(sorted))
    every = [
        Accepted(
            revision,
            draw(words.documents),
            draw(numbers),
            draw(numbers),
            draw(numbers),
            draw(words.naturals),
            draw(words.words),
            draw(words.texts),
            draw(words.texts),
            draw(words.naturals),
            draw(words.few(words.naturals)),
            draw(st.booleans()),
        )
        for revision in revisions
    ]
    cut = draw(st.integers(0, len(every) - 1))
    floor = draw(st.builds(Floor, numbers, numbers))
    beneath = draw(words.few(named))
    return RouteState(
        draw(words.names),
        every[-1],
        tuple(every[cut:]),
        tuple(every[:cut]),
        floor,
        beneath,
        draw(st.none() | freezes),
        draw(st.none() | st.sampled_from(every)),
    )


requests = st.builds(
    Request,
    words.digests,
    numbers,
    st.builds(
        Verdict,
        words.naturals,
        words.some_words,
        words.words,
        words.texts,
        words.texts,
        words.few(st.builds(RouteRevision, words.names, words.naturals)),
        numbers,
        numbers,
    ),
)


proposals = st.builds(
    Proposal,
    words.naturals,
    words.changes,
    words.words,
    words.words,
    words.texts,
    numbers,
    words.few(st.tuples(words.words, words.words)),
)


@st.composite
def states(draw: st.DrawFn) -> State:
    by_model: dict[str, dict[str, Release]] = {}
    for found in draw(st.lists(releases(), max_size=3)):
        by_model.setdefault(found.model, {})[found.version] = found
    return State(
        draw(words.naturals),
        draw(numbers),
        draw(numbers),
        draw(words.policies),
        by_model,
        {route.route: route for route in draw(st.lists(routes(), max_size=2))},
        {r.verdict.request_id: r for r in draw(st.lists(requests, max_size=3))},
        {p.offset: p for p in draw(st.lists(proposals, max_size=2))},
    )


@given(states())
@settings(max_examples=60)
def test_a_state_comes_back_as_it_was(state: State) -> None:
    content = dump(state)
    again = load(content)
    assert again == state
    assert dump(again) == content
    assert state_hash(again) == state_hash(state)


def turn(some: Mapping[str, T]) -> dict[str, T]:
    return dict(reversed([*some.items()]))


@given(states())
@settings(max_examples=30)
def test_the_order_in_which_things_came_does_not_show(state: State) -> None:
    turned = replace(
        state,
        releases=turn({model: turn(versions) for model, versions in state.releases.items()}),
        routes=turn(state.routes),
        requests=turn(state.requests),
        proposals=dict(reversed([*state.proposals.items()])),
    )
    assert dump(turned) == dump(state)


def eventful() -> Book:
    """Return a book with a bit of everything, the same in every process."""
    book = served(9)
    for name in ("early", "arrival", "departure"):
        book.must(change(document({"1": 3000, "2": 7000}, name), 0))
        book.must(change(document({"2": 7000, "3": 3000}, name, fallback=("4", "5")), 1))
    for version in ("7", "8", "9"):
        book.must(withdrawal(version))
    book.say(change("nine", 1))
    book.say(change("9", 0))
    book.must(change("6", 1, at=book.now + 10_000))
    book.must(release("1", "another"))
    return book


def test_equal_states_have_equal_hashes_in_every_process() -> None:
    script = (
        "from tests.consumer_sdk.control.test_saved import eventful, state_hash\n"
        "print(state_hash(eventful().state))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }
    assert found == {state_hash(eventful().state)}


def test_every_state_on_the_way_has_a_hash_of_its_own() -> None:
    book = eventful()
    assert len({state_hash(state) for state in book.states}) == len(book.states)


def test_the_wording_of_a_verdict_does_not_change_the_hash() -> None:
    state = eventful().state
    reworded = {
        i: replace(r, verdict=replace(r.verdict, detail=r.verdict.detail and "no"))
        for i, r in state.requests.items()
    }
    assert reworded != state.requests
    assert state_hash(replace(state, requests=reworded)) == state_hash(state)


def test_a_restored_state_answers_as_before() -> None:
    state = eventful().state
    again = load(dump(state))
    for name, route in state.routes.items():
        for ts in (0, route.head.effective - 1, route.head.effective, 2**45):
            assert in_force(again.routes[name], ts, ts) == in_force(route, ts, ts)


@given(st.data())
@settings(max_examples=200)
def test_damage_is_found_or_harmless(data: st.DataObject) -> None:
    content = bytearray(dump(served().state))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Corrupt):
        assert load(bytes(content)).offset >= 0


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_state_that_was_cut_off_is_damaged(cut: int) -> None:
    with pytest.raises(Corrupt, match="E_CORRUPT"):
        load(dump(served().state)[:cut])


def test_a_state_that_lacks_its_head_is_damaged() -> None:
    saved = orjson.loads(dump(served().state))
    saved["routes"][0]["head"] = 99
    with pytest.raises(Corrupt, match="E_CORRUPT"):
        load(orjson.dumps(saved))


def test_a_state_of_a_newer_fold_is_not_taken() -> None:
    saved = orjson.loads(dump(served().state))
    saved["fold"] += 1
    with pytest.raises(TooNew, match="E_OLD_SDK") as refused:
        load(orjson.dumps(saved))
    assert isinstance(refused.value, ModelwireError)
