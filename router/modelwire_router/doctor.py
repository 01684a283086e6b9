"""What can be wrong around modelwire, looked at one by one; nothing here raises."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from modelwire.clock import SystemClock
from modelwire.config import CACHE, default_cache
from modelwire.control.horizon import MARGIN
from modelwire.control.policy import run_out, told_run_out
from modelwire.control.reading import control_place, fold_log
from modelwire.control.saved import state_hash
from modelwire.control.snapshots import beginning, snapshot_place
from modelwire.control.state import State
from modelwire_log.contract import START, Log
from modelwire_log.open import open_log
from modelwire_router.fleet import newest_reports, present
from modelwire_router.readiness import live
from modelwire_schemas.errors import ModelwireError, Rejected
from modelwire_schemas.fleet import CONTROLLER, RUN_OUT

POLLING = 100
"""Ms between two questions for the log's end (the follower's)."""

SKEW = 2000
"""Ms by which this machine's clock may differ from the log's before people are told."""

ROOM = 1_000_000_000
"""Bytes that should be free where artifacts are kept."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it is fine, what was found, what to do."""

    check: str
    ok: bool
    found: str
    todo: str = ""


def examine(url: str, namespace: str) -> list[Finding]:
    """Return what was found, the log first."""
    findings = [_guard("runtime", _runtime), _guard("cache", _cache)]
    try:
        if not url:
            raise Rejected("E_CONFIG", "no log is given", todo="pass --log or set MODELWIRE_LOG")
        log = open_log(url)
    except ModelwireError as error:
        return [Finding("log", ok=False, found=str(error)), *findings]
    with log:
        checks: list[tuple[str, Callable[[], Finding]]] = [
            ("log", lambda: _log(log, namespace)),
            ("topics", lambda: _topics(log, namespace)),
            ("lead", lambda: _lead(log, namespace)),
            ("snapshots", lambda: _snapshots(log, namespace)),
            ("releases", lambda: _releases(log, namespace)),
            ("clock", lambda: _clock(log, namespace)),
            ("fleet", lambda: _fleet(log, namespace)),
            ("controller", lambda: _controller(log, namespace)),
        ]
        return [_guard(name, check) for name, check in checks] + findings


def _guard(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except (ModelwireError, OSError) as error:
        return Finding(name, ok=False, found=str(error))


def _log(log: Log, namespace: str) -> Finding:
    started = time.perf_counter()
    end = log.end(control_place(namespace))
    took = (time.perf_counter() - started) * 1000
    return Finding("log", ok=True, found=f"{log.url} answers in {took:.1f} ms, control end {end}")


def _topics(log: Log, namespace: str) -> Finding:
    if log.capabilities.makes_streams:
        return Finding("topics", ok=True, found="streams make themselves")
    from modelwire_log.kafka.log import KafkaLog
    from modelwire_log.kafka.setup import check_topics

    assert isinstance(log, KafkaLog)  # noqa: S101  the one keeper that makes no streams
    faults = check_topics(log, namespace)
    if faults:
        return Finding("topics", ok=False, found=str(faults[0]), todo="modelwire topics check")
    return Finding("topics", ok=True, found="as they should be")


def _lead(log: Log, namespace: str) -> Finding:
    state = fold_log(log, namespace)
    least = MARGIN + POLLING
    found = f"lead {state.lead} ms, margin {MARGIN}, polling {POLLING}; state {state_hash(state)}"
    todo = (
        ""
        if state.lead > least
        else f"`modelwire policy set` with a lead above {least} ms, or events wait"
    )
    return Finding("lead", ok=state.lead > least, found=found, todo=todo)


def _snapshots(log: Log, namespace: str) -> Finding:
    """Fold the log from its beginning up to the newest snapshot, and compare."""
    end = log.end(control_place(namespace))
    kept = beginning(log, namespace, end)
    if kept.offset == START:
        found = f"none to begin from (controllers leave them), a start folds {end + 1} records"
        return Finding("snapshots", ok=True, found=found)
    whole = fold_log(log, namespace, state=State(), last=kept.offset)
    if state_hash(whole) == state_hash(kept):
        found = f"the newest covers offset {kept.offset} of {end}, and says what the log says"
        return Finding("snapshots", ok=True, found=found)
    return Finding(
        "snapshots",
        ok=False,
        found=f"the newest, at offset {kept.offset}, says something else than the log",
        todo=f"see who may write to {snapshot_place(namespace).stream}: only controllers should",
    )


def _releases(log: Log, namespace: str) -> Finding:
    """Look for what answers although its release has run out."""
    state = fold_log(log, namespace)
    now = max(state.now, SystemClock().now())
    told = [told_run_out(route, r) for route, r in run_out(state, state.routes.values(), now)]
    if told:
        todo = f"modelwire status names {'it' if len(told) == 1 else f'all {len(told)}'}"
        return Finding("releases", ok=False, found=told[0], todo=todo)
    return Finding("releases", ok=True, found="none that answers has run out")


def _clock(log: Log, namespace: str) -> Finding:
    heard = [when for _, when in newest_reports(log, namespace)]
    if not heard:
        return Finding("clock", ok=True, found="no report yet, so the log's clock is not known")
    ahead = max(heard) - SystemClock().now()
    if ahead > SKEW:
        return Finding(
            "clock", ok=False, found=f"the log's clock is {ahead} ms ahead", todo="set the clocks"
        )
    return Finding("clock", ok=True, found=f"newest report {-ahead} ms ago")


def _fleet(log: Log, namespace: str) -> Finding:
    reports = newest_reports(log, namespace)
    there = live(reports, present(reports))
    hashes = {(r.offset, r.state_hash) for r in there if r.state_hash}
    split = len(hashes) != len({offset for offset, _ in hashes})
    coded = [v for r in there for v in r.versions if v.code and v.code != RUN_OUT]
    refused = sorted({f"{v.version} {v.code}" for v in coded})
    found = f"{len(there)} live"
    if split:
        return Finding("fleet", ok=False, found=f"{found}, and they differ in state at one offset")
    if refused:
        found += f", refused: {', '.join(refused)}"
    return Finding("fleet", ok=not refused, found=found, todo="modelwire fleet" if refused else "")


def _controller(log: Log, namespace: str) -> Finding:
    """Look for whoever carries on what is under way."""
    heads = (route.head.document for route in fold_log(log, namespace).routes.values())
    waiting = [d.route for d in heads if d.rollout and not d.rollout.phase.over]
    reports = newest_reports(log, namespace)
    count = sum(r.application == CONTROLLER for r in live(reports, present(reports)))
    if count or not waiting:
        return Finding(
            "controller", ok=True, found=f"{count} live, {len(waiting)} rollouts under way"
        )
    return Finding(
        "controller",
        ok=False,
        found=f"none is live, nothing takes the rollout of {waiting[0]} on or back",
        todo="modelwire controller",
    )


def _cache() -> Finding:
    folder = Path(os.environ.get(CACHE) or default_cache(os.environ))
    there = next(p for p in (folder, *folder.parents) if p.exists())
    stats = os.statvfs(there)
    free = stats.f_bavail * stats.f_frsize
    ok = free > ROOM and os.access(there, os.W_OK)
    todo = "" if ok else f"make room, or set {CACHE} to a folder of your own"
    return Finding("cache", ok=ok, found=f"{folder}, {free // 10**6:,} MB free", todo=todo)


def _runtime() -> Finding:
    try:
        found = version("onnxruntime")
    except PackageNotFoundError:
        return Finding("runtime", ok=False, found="no onnxruntime", todo="pip install onnxruntime")
    new = tuple(int(part) for part in found.split(".")[:2]) >= (1, 31)
    todo = "" if new else "upgrade to 1.31: older ones stop the stream while they load"
    return Finding("runtime", ok=new, found=f"onnxruntime {found}", todo=todo)
