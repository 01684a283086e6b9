"""What an application asks: one route, whose versions change under it by themselves."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, TypeVar

from modelwire.control.horizon import MAX_WAIT, Settlement, settlement
from modelwire.reporting.calls import failed
from modelwire.serving.answer import RAISE, Answer, Answers, Provenance, Raise
from modelwire.serving.batch import predict_rows, predict_whole
from modelwire.serving.beside import Beside
from modelwire.serving.choosing import decide, document_for, serve
from modelwire.serving.live import Live
from modelwire.serving.past import Past
from modelwire.serving.plan import Coordinates, Event, RoutePlan
from modelwire.serving.rows import Given, Rows
from modelwire.serving.settling import event_time
from modelwire.serving.snapshot import Snapshot
from modelwire_schemas.errors import NotReady, Rejected

Key: TypeAlias = str | bytes | int
Time: TypeAlias = int | float | datetime
T = TypeVar("T")


INLINE_NS = 1_000_000
"""A model whose run takes longer is run in a thread by `apredict`, so that the loop goes on."""

_NONE: Mapping[str, object] = {}

_WAITING = frozenset({"E_NO_DOCUMENT", "E_NOT_READY", "E_NOT_WARM"})
"""What a route lacks may be for reasons that lie elsewhere."""


class Route:
    """Answers events by the version that the route's documents choose.

    Made by `Models.route`. Thread-safe; takes no lock on the way of an event. `name` is the
    route's.
    """

    def __init__(
        self,
        name: str,
        live: Live,
        past: Past,
        revive: Callable[[], None],
        why_not: Callable[[str], str],
    ) -> None:
        self.name = name
        self._live = live
        self._past = past
        self._revive = revive
        self._why_not = why_not
        self._beside = Beside(live)

    def predict(
        self,
        event: object,
        *,
        key: Key | None = None,
        at: Time | None = None,
        headers: Mapping[str, object] | None = None,
        source: Coordinates | None = None,
        default: T | Raise = RAISE,
    ) -> Answer | T:
        """Return the answer for one event: a mapping of fields, or an array of one row.

        `key` keeps an event on its side of a split. `at` is the event's time, ms since 1970 UTC
        or an aware datetime, by default the present. `source` is (stream, partition, offset).
        With nothing ready `default` is returned if given, else NotReady is raised and says why.
        Raises Rejected with the field at fault when the event does not fit the contract, and
        `E_MODEL` when the model raises and no fallback answers.
        """
        live = self._live
        snapshot = live.snapshot
        plan = snapshot.plans.get(self.name)
        quick = plan.quick if plan is not None else None
        told = None
        try:
            if plan is not None and quick is not None:
                now = live.monotonic_ns()
                ts = (now + snapshot.skew_ns) // 1_000_000 if at is None else at
                if type(ts) is int and quick.begins <= ts < quick.ends and ts < snapshot.horizon:
                    servable, told = quick.servable, quick.provenance
                    is_dict = type(event) is dict
                    feed = servable.one(event) if is_dict else servable.feed(event)
                    try:
                        outputs = servable.fast(feed)
                    except Exception as error:
                        servable.failed(error)
                        told = None
                    else:
                        quick.answered.tick()
                        if now >= self._beside.due_ns or plan.has_shadows:
                            asked = Event(key, event, headers or _NONE, source)
                            self._beside.one(plan, asked, outputs, servable.names, told, ts, now)
                        return Answer(outputs, servable.names, 0, told, None)
            return self._by_rules(Event(key, event, headers or _NONE, source), at)
        except NotReady as error:
            return self._default(default, error)
        except Rejected as error:
            self._failed(told, error)
            raise

    async def apredict(
        self,
        event: object,
        *,
        key: Key | None = None,
        at: Time | None = None,
        headers: Mapping[str, object] | None = None,
        source: Coordinates | None = None,
        default: T | Raise = RAISE,
    ) -> Answer | T:
        """Return what `predict` returns, without blocking the event loop."""
        snapshot = self._live.snapshot
        plan = snapshot.plans.get(self.name)
        quick = plan.quick if plan is not None else None
        settled = self._live.present(snapshot) < snapshot.horizon

        def run() -> Answer | T:
            return self.predict(
                event, key=key, at=at, headers=headers, source=source, default=default
            )

        if quick is not None and at is None and settled and quick.servable.run_ns < INLINE_NS:
            return run()
        return await asyncio.to_thread(run)

    def predict_batch(
        self,
        rows: Given,
        *,
        keys: Sequence[Key | None] | None = None,
        at: Sequence[Time] | Time | None = None,
        headers: Sequence[Mapping[str, object]] | None = None,
        sources: Sequence[Coordinates | None] | None = None,
    ) -> Answers:
        """Return the answers for n events under one snapshot: one vectorised run a version.

        `rows` are mappings, or columns: a mapping of arrays, a pandas, polars or pyarrow table,
        or a matrix. A faulty row is in `errors` and does not touch its neighbours. Raises
        NotReady when nothing is ready, and Rejected `E_EMPTY_BATCH`, `E_SHAPE`.
        """
        live = self._live
        snapshot = live.snapshot
        plan = snapshot.plans.get(self.name)
        quick = plan.quick if plan is not None and at is None else None
        if plan is not None and quick is not None:
            now = live.monotonic_ns()
            ts = (now + snapshot.skew_ns) // 1_000_000
            if quick.begins <= ts < quick.ends and ts < snapshot.horizon:
                answers = predict_whole(quick, rows, keys, headers, sources)
                if answers is not None:
                    if now >= self._beside.due_ns or plan.has_shadows:
                        given, moments = Rows(rows, keys, headers, sources), [ts] * len(answers)
                        self._beside.many(plan, given, answers, moments, now, counted=True)
                    return answers
        batch, began = Rows(rows, keys, headers, sources), live.monotonic_ns()
        snapshot = self._fresh()
        present = self._live.present(snapshot)
        times = _times(at, present, len(batch))
        patience = present + MAX_WAIT
        some = [times] if isinstance(times, int) else times
        latest = max((t for t in some if t <= patience), default=max(some))
        snapshot, _ = self._settled(snapshot, latest, present)
        plan, until = self._plan(snapshot), snapshot.horizon
        try:
            answers = predict_rows(plan, batch, times, self._past, until, patience)
        except NotReady as error:
            raise self._explained(error) from None
        each = [times] * len(batch) if isinstance(times, int) else times
        self._beside.many(plan, batch, answers, each, began, counted=False)
        return answers

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait until a version can answer; raises NotReady after `timeout` seconds and says why."""
        self._revive()
        if not self._live.wait_for(self.is_ready, timeout):
            raise NotReady(
                "E_NOT_READY",
                f"route {self.name} was not ready within {timeout:g} s: {self._why_not(self.name)}",
            )

    @property
    def ready(self) -> bool:
        """Whether a version can answer now."""
        return self.is_ready(self._live.snapshot)

    def is_ready(self, snapshot: Snapshot) -> bool:
        """Whether a version could answer under a snapshot."""
        plan = snapshot.plans.get(self.name)
        return plan is not None and plan.ready(self._live.present(snapshot))

    def _explained(self, error: NotReady) -> NotReady:
        """Return an error that says what keeps the route: the log, a refusal, no document."""
        why = self._why_not(self.name) if error.code in _WAITING else error.todo
        return NotReady(error.code, error.what, where=error.where, todo=why)

    def _by_rules(self, event: Event, at: Time | None) -> Answer:
        began = self._live.monotonic_ns()
        snapshot = self._fresh()
        present = self._live.present(snapshot)
        ts = event_time(at, present)
        snapshot, found = self._settled(snapshot, ts, present)
        plan = self._plan(snapshot)
        accepted = document_for(plan, ts, event.fields, self._past)
        settled, ahead = found is Settlement.SETTLED, found is Settlement.AHEAD
        decision = decide(plan, accepted, event, settled=settled, ahead=ahead)
        meant = decision.provenance
        try:
            answer, servable = serve(plan, accepted, decision, event)
        except Rejected as error:
            self._failed(meant, error)
            raise
        if servable is not decision.servable:
            self._live.recorder.note(failed(meant, "E_MODEL", ts, answered=True))
        servable.called(answer.provenance).tick()
        if began >= self._beside.due_ns or plan.has_shadows:
            self._beside.answer(plan, event, answer, ts, began)
        return answer

    def _default(self, default: T | Raise, error: NotReady) -> T:
        if isinstance(default, Raise):
            raise self._explained(error) from None
        return default

    def _failed(self, told: Provenance | None, error: Rejected) -> None:
        """Count an event that the version which was meant could not answer, if one was."""
        if told is not None:
            present = self._live.present(self._live.snapshot)
            self._live.recorder.note(failed(told, error.code, present))

    def _fresh(self) -> Snapshot:
        """Return the snapshot; in the child of a fork, once it has one of its own."""
        self._revive()
        return self._live.snapshot

    def _plan(self, snapshot: Snapshot) -> RoutePlan:
        plan = snapshot.plans.get(self.name)
        if plan is None:
            raise NotReady("E_NOT_READY", f"route {self.name} was closed or has just been opened")
        return plan

    def _settled(self, snapshot: Snapshot, ts: int, present: int) -> tuple[Snapshot, Settlement]:
        """Wait for the horizon to pass `ts` where that may help; say whether it has (R10)."""
        verdict = settlement(ts, snapshot.horizon, present)
        if verdict is Settlement.AHEAD:
            self._live.tally.add("clock_ahead")
        if verdict is Settlement.WAIT and not snapshot.stale_since:
            self._live.wait_for(lambda s: ts < s.horizon or bool(s.stale_since), MAX_WAIT / 1000)
        snapshot = self._live.snapshot
        if ts < snapshot.horizon:
            return snapshot, Settlement.SETTLED
        self._live.tally.add("unsettled")
        return snapshot, verdict


def _times(at: Sequence[Time] | Time | None, present: int, size: int) -> list[int] | int:
    if at is None or isinstance(at, int | float | datetime):
        return event_time(at, present)
    if len(at) != size:
        raise Rejected("E_SHAPE", f"{len(at)} times for {size} rows", expected="one time a row")
    return [event_time(one, present) for one in at]
