"""Which instances have a version ready, and why the others have not (R31; pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from modelwire.control.state import Accepted, RouteState
from modelwire_schemas.fleet import RESOURCE_FIRST, FleetReport, VersionReport

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


def readiness(
    reports: Iterable[tuple[FleetReport, int]],
    route: str,
    model: str,
    version: str,
    named_at: int,
    now: int,
) -> Readiness:
    """Say who has a version ready among the incarnations that opened `route`.

    `reports` come with the time (ms, the log's clock) at which the log took them; of several by
    one incarnation the newest holds. `named_at` is the control offset of the document that named
    the version (`named_by`): who has not read it yet is not ready, whatever it has loaded. It is
    advice: what an instance does after its report is not known.
    """
    newest: dict[tuple[str, str], tuple[FleetReport, int]] = {}
    for report, heard in reports:
        key = (report.instance, report.incarnation)
        if route in report.routes and (key not in newest or newest[key][1] <= heard):
            newest[key] = (report, heard)
    ready: list[str] = []
    waiting: list[Waiting] = []
    silent: list[Waiting] = []
    for report, heard in newest.values():
        if report.goodbye:
            continue
        if now - heard > HEARD_MS:
            silent.append(_waiting(report, heard, Why.SILENT))
            continue
        found = _missing(report, heard, _held(report, model, version), named_at)
        if found is None:
            ready.append(report.instance)
        else:
            waiting.append(found)
    return Readiness(
        tuple(sorted(ready)),
        tuple(sorted(waiting, key=lambda w: w.instance)),
        tuple(sorted(silent, key=lambda w: w.instance)),
    )


def enough(report: FleetReport) -> frozenset[str]:
    """Return the states in which an instance has a version ready; resource-first need not load."""
    return PROBED if RESOURCE_FIRST in report.capabilities else WARM


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


def _held(report: FleetReport, model: str, version: str) -> VersionReport | None:
    return next((v for v in report.versions if (v.model, v.version) == (model, version)), None)


def _missing(
    report: FleetReport, heard: int, held: VersionReport | None, named_at: int
) -> Waiting | None:
    """Return why an instance is not ready; None if it is."""
    if report.offset < named_at:
        detail = f"it has read up to control offset {report.offset}, not {named_at}"
        return _waiting(report, heard, Why.BEHIND, detail=detail)
    if held is None:
        return _waiting(report, heard, Why.ON_ITS_WAY, detail="wanted")
    if held.state == FAILED:
        return _waiting(report, heard, Why.REFUSED, held.code, held.detail)
    if held.state not in enough(report):
        return _waiting(report, heard, Why.ON_ITS_WAY, detail=f"{held.state} {held.detail}".strip())
    return None


def _waiting(
    report: FleetReport, heard: int, why: Why, code: str = "", detail: str = ""
) -> Waiting:
    return Waiting(report.instance, report.application, why, heard, code, detail)
