"""The fold: control records into state, and the same from bytes on the log."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from time import perf_counter_ns

from benchmarks.bed import AT_ONCE, Bed, made
from benchmarks.measure import Figure, of
from benchmarks.predict import NUMERIC
from modelwire.control.fold import fold
from modelwire.control.reading import control_place, fold_log
from modelwire.control.state import Entry, State
from modelwire_log.envelope import seal
from modelwire_router.changes import NOW, flip, split
from modelwire_schemas.codec import content_digest
from modelwire_schemas.control import Body, Command, ControlRecord
from modelwire_schemas.release import ReleasePublished

RECORDS, ROUNDS = 5_000, 9
ROUTES = 20
EVERY = 30_000
"""Ms between two commands: far from idle, and request ids live for ten minutes."""

GOAL = 50_000


def figures() -> list[Figure]:
    """Fold a history of releases, flips and splits of twenty routes, as entries and as bytes."""
    with made() as bed:
        bed.publish(NUMERIC, "0", model="flights")
        release = bed.releases()["0"]
        entries = list(islice(history(release), RECORDS))
        pure = [_rate(entries) for _ in range(ROUNDS)]
        raced = list(_raced(entries))
        contested = [_rate(raced) for _ in range(ROUNDS)]
        place = control_place("history")
        records = [e.record for e in entries if isinstance(e.record, ControlRecord)]
        messages = [seal(record, source="bench") for record in records]
        bed.log.append_batch(place.stream, messages)
        read = [_rate_from_log(bed, len(messages)) for _ in range(3)]
    return [
        of("fold", "records/s", pure, GOAL, at_least=True),
        of("  a quarter of it from old revisions", "records/s", contested, GOAL, at_least=True),
        of("  read, check, decode and fold, from SQLite", "records/s", read),
    ]


def _rate(entries: list[Entry]) -> float:
    state = State()
    started = perf_counter_ns()
    for first in range(0, len(entries), 1000):
        state, verdicts = fold(state, entries[first : first + 1000])
        refused = {verdict.code for verdict in verdicts} - {"", "E_CONFLICT"}
        if refused:
            raise SystemExit(f"records of the history were refused: {refused}")
    return len(entries) / (perf_counter_ns() - started) * 1e9


def _raced(entries: list[Entry]) -> Iterator[Entry]:
    """Yield the history with another operator who makes every third change again, too late."""
    offset = count()
    for number, entry in enumerate(entries):
        yield replace(entry, offset=next(offset))
        record = entry.record
        if number % 3 == 0 and isinstance(record, ControlRecord):
            again = replace(record.command, request_id=secrets.token_hex(16))
            yield replace(entry, offset=next(offset), record=replace(record, command=again))


def _rate_from_log(bed: Bed, count: int) -> float:
    started = perf_counter_ns()
    fold_log(bed.log, "history")
    return count / (perf_counter_ns() - started) * 1e9


def history(release: ReleasePublished, burst: int = 1) -> Iterator[Entry]:
    """Yield a release of every route's model, then changes, and a new release now and then.

    So many commands as `burst` says come at one time.
    """
    state, now, versions = State(), 1_700_000_000_000, [0] * ROUTES
    for number in count():
        now += 0 if number % burst else burst * EVERY
        body = _body(release, state, versions, number)
        command = Command(secrets.token_hex(16), content_digest(body), now + 600_000)
        entry = Entry(number, now, ControlRecord(command, body))
        state, _ = fold(state, [entry])
        yield entry


def _body(release: ReleasePublished, state: State, versions: list[int], number: int) -> Body:
    route, turn = number % ROUTES, number // ROUTES
    model = f"flights-{route}"
    if turn % 20 == 0:
        versions[route] += 1
        return replace(release, model=model, version=str(versions[route]))
    if turn % 3 == 0 and versions[route] > 1:
        old, new = str(versions[route] - 1), str(versions[route])
        weights = {old: str(100 - turn % 100), new: str(turn % 100)}
        return split(state, model, weights, model=model)
    when = AT_ONCE if turn % 10 == 1 else NOW
    return flip(state, model, str(versions[route]), model=model, when=when)
