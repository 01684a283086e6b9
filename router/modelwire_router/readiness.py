"""Which instances have a version ready, and why the others have not (R31; pure)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple, Self

from modelwire.control.state import Accepted, RouteState
from modelwire_schemas.fleet import RESOURCE_FIRST, FleetReport

HEARD_MS = 15_000
"""An instance is live when it was heard of within so many ms (by the log's clock)."""

WARM = frozenset({"warm", "serving"})
"""The states in which a version can answer."""

PROBED = WARM | {"probed", "loaded"}
"""The states in which a version was fetched, verified and probed, at least."""

FAILED = "failed"


class Why(StrEnum):
    """Why an instance does not have a version ready."""

    BEHIND = "behind"
    ON_ITS_WAY = "on its way"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An instance without the version, and why.

    `code` is that of a refusal. `detail` is for people: a state, how far the fetch is, or what
    the refusal said. `heard` (ms, the log's clock) is when it last reported.
    """

    instance: str
    application: str
    why: Why
    heard: int
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The live instances of a route that have a version ready, those that have not yet.

    `silent` are instances that were not heard of for 15 s and said no goodbye; they do not count.
    """

    ready: tuple[str, ...]
    waiting: tuple[Waiting, ...] = ()
    silent: tuple[Waiting, ...] = ()

    @property
    def share(self) -> float:
        """The share (0 to 1) of the live instances that are ready; 1 when none is live."""
        live = len(self.ready) + len(self.waiting)
        return len(self.ready) / live if live else 1.0


def enough(report: FleetReport) -> frozenset[str]:
    """Return the states in which an instance has a version ready; resource-first need not load."""
    return PROBED if RESOURCE_FIRST in report.capabilities else WARM


def live(reports: Iterable[tuple[FleetReport, int]], now: int) -> list[FleetReport]:
    """Return the reports of the instances that are live at `now` (ms, the log's clock)."""
    return [r for r, heard in reports if not r.goodbye and now - heard <= HEARD_MS]


class Heard(NamedTuple):
    """A report, when (ms, the log's clock) it was taken, and which (model, version) are ready.

    `offset` is the report's; it stands here because it is asked for of all instances of a route.
    """

    report: FleetReport
    at: int
    offset: int
    ready: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, report: FleetReport, at: int, before: Self | None = None) -> Self:
        """Return a report that was taken at a time; the one `before` it often says the same."""
        states = enough(report)
        if before and (before.report.versions, enough(before.report)) == (report.versions, states):
            return cls(report, at, report.offset, before.ready)
        ready = frozenset(_one(v.model, v.version) for v in report.versions if v.state in states)
        return cls(report, at, report.offset, ready)


@lru_cache(maxsize=1 << 16)
def _one(model: str, version: str) -> tuple[str, str]:
    """Return the one pair of these texts: what is the same object is compared at once."""
    return model, version


def readiness(
    reports: Iterable[Heard], model: str, version: str, named_at: int, now: int
) -> Readiness:
    """Say who has a version ready among the instances of a route (`Reports.of`).

    `named_at` is the control offset of the document that named the version (`named_by`): who has
    not read it yet is not ready, whatever it has loaded. It is advice: what an instance does after
    its report is not known.
    """
    wanted = (model, version)
    ready: list[str] = []
    waiting: list[Waiting] = []
    silent: list[Waiting] = []
    for heard in reports:
        if now - heard.at > HEARD_MS:
            silent.append(_waiting(heard, Why.SILENT))
        elif wanted in heard.ready and heard.offset >= named_at:
            ready.append(heard.report.instance)
        else:
            waiting.append(_lacking(heard, wanted, named_at))
    return Readiness(
        tuple(sorted(ready)),
        tuple(sorted(waiting, key=lambda w: w.instance)),
        tuple(sorted(silent, key=lambda w: w.instance)),
    )


def at_a_glance(
    reports: Collection[Heard], model: str, named_at: Mapping[str, int], now: int
) -> tuple[int, list[Heard]]:
    """Return how many have every version ready for certain, and all others to be looked at.

    `named_at` is the control offset of the document that named each version.
    """
    wanted = frozenset(_one(model, version) for version in named_at)
    newest, since = max(named_at.values(), default=0), now - HEARD_MS
    others = [
        heard
        for heard in reports
        if heard.at < since or heard.offset < newest or not wanted <= heard.ready
    ]
    return len(reports) - len(others), others


def named_by(route: RouteState, model: str, version: str) -> int:
    """Return the control offset of the document since which a route holds a version.

    That names it, and so do all after it; only the newest may not, since what went before it is
    still held. Where that is not so either, the newest document's.
    """
    documents = [route.head, *route.recent]
    if not _names(documents[0], model, version):
        del documents[0]
    naming = takewhile(lambda a: _names(a, model, version), documents)
    return min((a.offset for a in naming), default=route.head.offset)


def _names(accepted: Accepted, model: str, version: str) -> bool:
    return accepted.document.model == model and version in accepted.document.versions()


def _lacking(heard: Heard, wanted: tuple[str, str], named_at: int) -> Waiting:
    """Return why an instance is not ready."""
    report = heard.report
    if report.offset < named_at:
        detail = f"it has read up to control offset {report.offset}, not {named_at}"
        return _waiting(heard, Why.BEHIND, detail=detail)
    held = next((v for v in report.versions if (v.model, v.version) == wanted), None)
    if held is None:
        return _waiting(heard, Why.ON_ITS_WAY, detail="wanted")
    if held.state == FAILED:
        return _waiting(heard, Why.REFUSED, held.code, held.detail)
    return _waiting(heard, Why.ON_ITS_WAY, detail=f"{held.state} {held.detail}".strip())


def _waiting(heard: Heard, why: Why, code: str = "", detail: str = "") -> Waiting:
    report = heard.report
    return Waiting(report.instance, report.application, why, heard.at, code, detail)
