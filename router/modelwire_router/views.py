"""What a person sees: rows made of state, past and reports (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from modelwire.control.history import Past
from modelwire.control.policy import run_out
from modelwire.control.proposals import needed_for
from modelwire.control.state import ALWAYS, Accepted, RouteState, State
from modelwire.control.timeline import reachable, way_back
from modelwire_router.readiness import HEARD_MS, enough
from modelwire_router.rollout.telling import standing_row
from modelwire_schemas.control import Body
from modelwire_schemas.fleet import RUN_OUT, FleetReport
from modelwire_schemas.policy import PolicySet
from modelwire_schemas.release import ReleasePublished, ReleaseWithdrawn
from modelwire_schemas.routing import (
    RolloutAborted,
    RouteConfirmed,
    RouteFrozen,
    RoutingApproved,
    RoutingChanged,
    RoutingDocument,
    RoutingProposed,
    Rule,
    SplitBy,
    Variant,
)

Row = Mapping[str, Any]


def shares(document: RoutingDocument) -> str:
    """Return a document's weights in one line: `7 90 %, 8 10 %`."""
    rules = [
        f"{'' if rule.match is None else rule.name + ': '}"
        + ", ".join(f"{v.version} {_share(rule, v)}" for v in rule.variants)
        for rule in document.rules
    ]
    return "; ".join(rules)


def _share(rule: Rule, variant: Variant) -> str:
    """Return what a variant gets; where partitions are divided, one without any has the rest."""
    if rule.split.by is not SplitBy.PARTITION or variant.weight:
        return f"{variant.weight / 100:g} %"
    if variant is rule.variants[-1]:
        return "on the rest"
    return f"on {len(variant.partitions)} partitions"


def route_rows(
    state: State, reports: Iterable[FleetReport], only: str | None, now: int
) -> list[Row]:
    """Return a row a route at `now` (ms): what is in force, what is to come, who has it warm."""
    fleet = list(reports)
    return [
        _route_row(state, state.routes[route], fleet, now)
        for route in sorted(state.routes)
        if only is None or route == only
    ]


def _route_row(state: State, route: RouteState, fleet: Sequence[FleetReport], now: int) -> Row:
    present = max(state.earliest, now)  # a silent log's newest record may be old
    in_reach = reachable(route, present)
    current = next((a for a in reversed(in_reach) if a.effective <= present), route.head)
    back = way_back(route, present)
    users = [r for r in fleet if route.route in r.routes and not r.goodbye]
    return {
        "route": route.route,
        "model": current.document.model,
        "revision": current.revision,
        "shares": shares(current.document),
        "since": None if current.effective == ALWAYS else current.effective,
        "by": current.author,
        "reason": current.reason,
        "rollout": _told_rollout(route),
        "frozen": told_freeze(route),
        "goes_back": back and back.effective,
        "expired": [release.version for _, release in run_out(state, [route], now)],
        "scheduled": [
            {"revision": a.revision, "shares": shares(a.document), "effective": a.effective}
            for a in in_reach
            if a.revision > current.revision and a is not back
        ],
        "instances": len(users),
        "current": sum(1 for r in users if r.offset >= current.offset),
        "ready": sum(1 for r in users if has_warm(r, route.head)),
    }


def _told_rollout(route: RouteState) -> str:
    rollout = route.rollout
    return f"{rollout.id}: {rollout.phase}" if rollout else ""


def told_freeze(route: RouteState) -> str:
    """Return who froze a route and why; empty if nobody did."""
    frozen = route.frozen
    if frozen is None:
        return ""
    return f"{frozen.author or 'somebody'}{f': {frozen.reason}' if frozen.reason else ''}"


def proposal_rows(state: State) -> list[Row]:
    """Return a row a change that waits for approval, oldest first."""
    return [
        {
            "proposal": p.offset,
            "what": _told_proposal(p.change),
            "by": p.author,
            "approved": ", ".join(author for author, _ in p.approved),
            "needed": needed_for(state, p),
            "until": p.expires,
            "reason": p.reason,
        }
        for _, p in sorted(state.proposals.items())
    ]


def has_warm(report: FleetReport, accepted: Accepted) -> bool:
    """Whether an instance has read a document and holds every version that it names warm."""
    warm = {(v.model, v.version) for v in report.versions if v.state in enough(report)}
    named = {(accepted.document.model, version) for version in accepted.document.versions()}
    return report.offset >= accepted.offset and named <= warm


def fleet_rows(reports: Iterable[tuple[FleetReport, int]], now: int) -> list[Row]:
    """Return a row an instance: its versions, how fresh, what went wrong; newest reports."""
    rows = [_fleet_row(report, heard, now) for report, heard in reports]
    return sorted(rows, key=lambda row: (row["application"], row["instance"]))


def _fleet_row(report: FleetReport, heard: int, now: int) -> Row:
    coded = [v for v in report.versions if v.code]
    if report.goodbye:
        condition = "gone"
    elif now - heard > HEARD_MS:
        condition = f"silent {(now - heard) // 1000} s"
    else:
        condition = "stale" if report.stale_since else "live"
    return {
        "instance": report.instance,
        "application": report.application,
        "state": condition,
        "routes": ", ".join(report.routes),
        "versions": ", ".join(f"{v.version} {v.state}" for v in report.versions),
        "offset": report.offset,
        "refused": ", ".join(f"{v.version} {v.code}" for v in coded if v.code != RUN_OUT),
        "expired": ", ".join(v.version for v in coded if v.code == RUN_OUT),
        "predictions": report.predictions,
        "megabytes": report.resident // 1_000_000,
        "state_hash": report.state_hash,
    }


def history_rows(past: Iterable[Past], only: str | None) -> list[Row]:
    """Return a row a command, with its verdict; all that name the route `only`, if given."""
    rows: list[Row] = []
    for step in past:
        record = step.entry.record
        if isinstance(record, Exception):
            rows.append(_history_row(step, only, "", "", "damaged"))
            continue
        if only is None or _names_route(record.body, only):
            command = record.command
            told_of = told(record.body)
            rows.append(_history_row(step, only, command.author, command.reason, told_of))
    return rows


def _history_row(step: Past, only: str | None, author: str, reason: str, what: str) -> Row:
    verdict = step.verdict
    rollouts = (a.document.rollout for a in step.documents if only in (None, a.document.route))
    rollout = next((rollout for rollout in rollouts if rollout), None)
    return {
        "offset": step.entry.offset,
        "time": step.entry.appended,
        "what": what,
        "revision": ", ".join(f"{r.route}@{r.revision}" for r in verdict.revisions),
        "verdict": "repeated" if verdict.repeats >= 0 else verdict.code or "accepted",
        "by": author,
        "reason": reason,
        "detail": verdict.detail,
        "rollout": standing_row(rollout) if rollout else None,
    }


def _names_route(body: Body, route: str) -> bool:
    if isinstance(body, RouteConfirmed | RouteFrozen | RolloutAborted):
        return body.route == route
    if isinstance(body, RoutingProposed):
        return _names_route(body.change, route)
    return isinstance(body, RoutingChanged) and any(
        change.document.route == route for change in body.changes
    )


OfRoutes: TypeAlias = (
    RoutingProposed
    | RoutingApproved
    | RouteConfirmed
    | RouteFrozen
    | RolloutAborted
    | RoutingChanged
)


def _told_policy(policy: PolicySet) -> str:
    tables = {
        "rights": policy.rights,
        "approvals": policy.approvals,
        "blackouts": policy.blackouts,
    }
    more = "".join(f", {len(rows)} {table}" for table, rows in tables.items() if rows)
    return f"policy lead {policy.lead} ms{more}"


def told(body: Body) -> str:
    """Return what a command asks for, in one line."""
    match body:
        case ReleasePublished():
            return f"release {body.model} {body.version}"
        case ReleaseWithdrawn():
            return f"withdraw {body.model} {body.version}"
        case PolicySet():
            return _told_policy(body)
        case _:
            return _told_of_routes(body)


def _told_of_routes(body: OfRoutes) -> str:
    match body:
        case RoutingProposed():
            return f"propose {_told_proposal(body.change)}"
        case RoutingApproved():
            return f"approve proposal {body.proposal}"
        case RouteConfirmed():
            return f"confirm {body.route}"
        case RouteFrozen():
            return f"{'freeze' if body.frozen else 'unfreeze'} {body.route}"
        case RolloutAborted():
            return f"abort {body.rollout} of {body.route}"
        case RoutingChanged():
            kind = "at once: " if body.at_once else ""
            documents = [f"{c.document.route}: {shares(c.document)}" for c in body.changes]
            end = " until confirmed or taken back" if body.confirm_within else ""
            return kind + "; ".join(documents) + end


def _told_proposal(change: RoutingChanged) -> str:
    """Return what is to be approved: of a rollout all that it will do, not its first document."""
    rollouts = filter(None, (c.document.rollout for c in change.changes))
    rows = [row for row in map(standing_row, rollouts) if "steps" in row]
    plans = [f"{r['strategy']} {r['stable']} → {r['candidate']}, {r['steps']} steps" for r in rows]
    return "; ".join([told(change), *dict.fromkeys(plans)])


def release_rows(state: State, only: str | None) -> list[Row]:
    """Return a row a release, by model, oldest first."""
    in_use = {
        (a.document.model, version): route.route
        for route in state.routes.values()
        for a in reachable(route, state.earliest)
        for version in a.document.versions()
    }
    return [
        {
            "model": r.model,
            "version": r.version,
            "digest": r.artifact.digest[:12],
            "format": r.artifact.format,
            "form": r.artifact.form,
            "bytes": r.artifact.size,
            "time": r.appended,
            "by": r.author,
            "state": "withdrawn" if r.withdrawn else in_use.get((r.model, r.version), "unused"),
        }
        for model in sorted(state.releases)
        if only is None or model == only
        for r in sorted(state.releases[model].values(), key=lambda r: r.offset)
    ]
