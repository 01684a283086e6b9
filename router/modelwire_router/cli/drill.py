"""`modelwire drill`: a bad version beside the real stream, and how soon it is taken back."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from modelwire_log.contract import Log
from modelwire_router.cli.options import read_duration, yaml_file
from modelwire_router.cli.rollout_files import plans_of
from modelwire_router.cli.session import Session
from modelwire_router.cli.telling import Teller
from modelwire_router.drill.feeding import Again, Feed, Landing
from modelwire_router.drill.outcome import Outcome
from modelwire_router.drill.planted import Planted, planted, versions
from modelwire_router.retained import newest_events, partitions_of
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout.telling import finding_row, numbers
from modelwire_schemas.errors import NotFound, Rejected
from modelwire_schemas.rollout import Phase

MOST = 200_000
"""So many events are taken again and again, at most."""

FASTEST = 10_000
"""Events a second, at most."""

BAD = ("shifted", "failing", "slow")


@click.command()
@yaml_file("Rollouts as YAML, as `apply -f` takes them.")
@click.option("--route", default="", help="Which of the file's rollouts.")
@click.option("--in", "stream", required=True, metavar="STREAM", help="Events, as JSON objects.")
@click.option("--bad", type=click.Choice(BAD), default="shifted", show_default=True, help="How.")
@click.option("--last", type=int, help="The newest so many, again and again; else what lands.")
@click.option("--rate", type=float, default=500.0, show_default=True, help="A second, of --last.")
@click.option("--key-field", default="", help="The event's field that is its key.")
@click.option(
    "--timeout", default="10m", show_default=True, metavar="DURATION", callback=read_duration
)
@click.option("--cache", envvar="MODELWIRE_CACHE", type=click.Path(path_type=Path))
@click.pass_obj
def drill(
    session: Session,
    path: Path,
    route: str,
    stream: str,
    bad: str,
    last: int | None,
    rate: float,
    key_field: str,
    timeout: int,
    cache: Path | None,
) -> int:
    """Plant a bad version; say after how many seconds and events it was taken back.

    The file's rollout runs from the stable version to a spoiled copy of it, on copies of the
    stream's events, with an application and a controller of its own, in a log of its own: nothing
    is written to yours. Exits with 0 when a metric took it back, else with 1.
    """
    from modelwire.config import read_config
    from modelwire.scoring.events import Reading
    from modelwire_router.drill.play import Drill, Ground
    from modelwire_router.drill.spoiled import Bad
    from modelwire_router.rehearsal.warm import released, warmed

    _check(last, rate)
    plan = _plan(plans_of(session, path, None), route)
    grown = planted(plan)
    log, state = session.log(), session.state()
    there = {
        version: released(state, plan.model, plan.stable if version == grown.bad else version)
        for version in versions(grown.plan)
    }
    feed = partial(_feed, session, log, stream, last, rate)
    partitions = len(partitions_of(log, stream))
    config = read_config(os.environ, log=session.url, namespace=session.namespace, cache=cache)
    if grown.left_out:
        session.say(f"left out, as a drill cannot measure it: {', '.join(grown.left_out)}")
    with (
        warmed(log, config, Teller(session).tell) as warm,
        tempfile.TemporaryDirectory(prefix="modelwire-drill-") as folder,
    ):
        loaded = {release.version: warm(release) for release in dict.fromkeys(there.values())}
        good = {version: (one, loaded[one.version]) for version, one in there.items()}
        ground = Ground(grown, Bad(bad), good, stream, partitions, Reading(key_field))
        session.say(f"{bad}: {plan.model} {grown.bad} against {plan.stable}, {plan.strategy}")
        found = Drill(ground, Path(folder), session.say).play(feed, timeout / 1000)
    _show(session, grown, bad, found)
    return 0 if found.found else 1


def _plan(plans: Sequence[Plan], route: str) -> Plan:
    found = [plan for plan in plans if route in ("", plan.route)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(plan.route for plan in plans)
    if not found:
        raise NotFound("E_NO_ROLLOUT", f"no rollout of {route}", expected=f"one of {known}")
    raise Rejected("E_OPTION", f"the file has rollouts of {known}", expected="--route, one of them")


def _check(last: int | None, rate: float) -> None:
    if last is not None and not 0 < last <= MOST:
        raise Rejected("E_OPTION", f"--last {last}", expected=f"1 to {MOST}")
    if not 0 < rate <= FASTEST:
        raise Rejected("E_OPTION", f"--rate {rate:g}", expected=f"above 0, {FASTEST} at most")


def _feed(session: Session, log: Log, stream: str, last: int | None, rate: float) -> Feed:
    if last is None:
        session.say(f"on what lands on {stream} from now on")
        return Landing(log, stream)
    records = newest_events(log, stream, last).records
    session.say(f"on the newest {len(records)} events of {stream}, {rate:g} a second")
    return Again(records, rate)


def _show(session: Session, grown: Planted, bad: str, found: Outcome) -> None:
    rows = [finding_row(finding) for finding in found.findings]
    row = {
        "route": grown.plan.route,
        "bad": bad,
        "taken_back": found.found,
        **asdict(found),
        "findings": rows,
        "left_out": grown.left_out,
    }
    lines = [_ending(found)]
    lines += [f"  {r['metric']} {r['judgement']}: {numbers(r)}".rstrip(": ") for r in rows]
    session.data(row, "\n".join(lines))
    if not found.events:
        session.say("no event was scored: --last N takes what the stream has")


def _ending(found: Outcome) -> str:
    events = (
        f"{found.routed:,} of {found.events:,} events went to it, "
        f"it answered {found.served:,} and failed on {found.failed:,}"
    )
    if found.phase is Phase.ROLLED_BACK:
        word = "taken back" if found.found else "taken back, but by no metric,"
        return f"{word} after {found.seconds:.1f} s: {events}"
    words = {Phase.COMPLETED: "promoted", Phase.PAUSED: f"paused ({found.note})"}
    return f"not taken back, but {words.get(found.phase, 'still under way')}: {events}"
