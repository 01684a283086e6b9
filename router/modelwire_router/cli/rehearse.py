"""`modelwire rehearse`: the candidate of a file on events that were, compared and judged."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import orjson

from modelwire.clock import SystemClock
from modelwire.config import read_config
from modelwire.control.state import Release
from modelwire.scoring.labelling import give
from modelwire.scoring.labels import Joined, Joiner, Terms
from modelwire.scoring.streams import require
from modelwire_log.whole import all_records
from modelwire_router.cli import drawing, rehearsed
from modelwire_router.cli.options import yaml_file
from modelwire_router.cli.rollout_files import plans_of
from modelwire_router.cli.session import Session
from modelwire_router.cli.telling import Teller
from modelwire_router.reference import by_sample, check_sample, read_sample
from modelwire_router.rehearsal.compare import (
    Sides,
    compared,
    judged,
    maturity,
    unseen,
    watched,
)
from modelwire_router.rehearsal.play import Labels, Pair, Play
from modelwire_router.rehearsal.result import Rehearsal, row
from modelwire_router.rehearsal.warm import released, warmed
from modelwire_router.retained import Retained, newest_events
from modelwire_router.rollout.plan import Plan
from modelwire_schemas.errors import Rejected
from modelwire_schemas.rollout import Judgement
from modelwire_schemas.telemetry import Output

MOST = 200_000
"""So many events are scored, at most."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What every rollout of a file is rehearsed on: events, and a stream of labels, if named."""

    session: Session
    stream: str
    events: Retained
    labels: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rollout, its two releases, and the sample of inputs that the candidate came with."""

    plan: Plan
    candidate: Release
    stable: Release
    sample: tuple[Output, ...]


@click.command()
@yaml_file("Rollouts as YAML, as `apply -f` takes them.")
@click.option("--in", "stream", required=True, metavar="STREAM", help="Events, as JSON objects.")
@click.option("--last", type=int, default=10_000, show_default=True, help="How many of them.")
@click.option("--labels", default="", metavar="STREAM", help="Labels, as JSON objects.")
@click.option("--label-field", default="", metavar="FIELD", help="The label: 0/1, or a number.")
@click.option("--label-id", default="id", show_default=True, help="Its field with the event's id.")
@click.option("--event-id", default="", metavar="FIELD", help="The events' field with their id.")
@click.option("--output", default="", help="The output that is compared; by default the first.")
@click.option("--at-least", type=float, help="The label is whether the field reaches this number.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw it: FILE.png or FILE.html.")
@click.option("--cache", envvar="MODELWIRE_CACHE", type=click.Path(path_type=Path))
@click.pass_obj
def rehearse(
    session: Session,
    /,
    path: Path,
    stream: str,
    last: int,
    labels: str,
    plot: Path | None,
    cache: Path | None,
    **terms: Any,  # noqa: ANN401 - those of a join of labels, as they stand above
) -> int:
    """Let a file's candidate score a stream's newest events now, without traffic.

    The stable version scores the same events beside it; nothing is written to any stream. Both are
    compared, and held against the limits of the file's templates. Exits with 1 when a metric that
    is no dry run fails.
    """
    _check(last, plot, labels, terms["label_field"])
    wanted, log = list(_wanted(session, path)), session.log()
    if labels:
        require(log, labels, ())
    events = newest_events(log, stream, last)
    if events.left_out:
        session.say(f"{events.left_out} of the newest records are no JSON objects")
    stage = Stage(session, stream, events, labels, Terms(route="", **terms))
    config = read_config(os.environ, log=session.url, namespace=session.namespace, cache=cache)
    found: list[Rehearsal] = []
    with warmed(log, config, Teller(session).tell) as warm:
        for one in wanted:
            pair = Pair(one.plan.route, candidate=warm(one.candidate), stable=warm(one.stable))
            found.append(_rehearsed(stage, one, pair))
    for each in found:
        if session.as_json:
            click.echo(orjson.dumps(row(each)))
        else:
            rehearsed.show(session, each)
    if plot is not None:
        rehearsed.draw(plot, found)
        session.say(f"drawn in {plot}")
    return int(any(each.judgement is Judgement.FAIL for each in found))


def _check(last: int, plot: Path | None, labels: str, field: str) -> None:
    """Raise Rejected `E_OPTION` for what cannot work; so nobody waits in vain."""
    if not 0 < last <= MOST:
        raise Rejected("E_OPTION", f"--last {last}", expected=f"1 to {MOST}")
    if bool(labels) != bool(field):
        said = f"--labels {labels}" if labels else f"--label-field {field}"
        raise Rejected("E_OPTION", f"{said} alone", expected="both --labels and --label-field")
    if plot is not None:
        drawing.check(plot)


def _wanted(session: Session, path: Path) -> Iterator[Wanted]:
    """Yield what a file asks for; raises what says that it cannot be had."""
    state = session.state()
    for plan in plans_of(session, path, None):
        candidate, stable = (
            released(state, plan.model, version) for version in (plan.candidate, plan.stable)
        )
        sample: tuple[Output, ...] = ()
        if by_sample(plan):
            sample = read_sample(session.log(), session.namespace, candidate)
            check_sample(plan, sample, f"{path}: rollout {plan.route}")
        yield Wanted(plan, candidate, stable, sample)


def _rehearsed(stage: Stage, wanted: Wanted, pair: Pair) -> Rehearsal:
    plan, size = wanted.plan, len(stage.events.fields)
    labels = _labels(stage, plan, pair) if stage.labels else None
    play = Play(pair, labels, watched(plan, wanted.sample))
    teller = Teller(stage.session)
    for done in play.run(stage.events):
        teller.tell(f"{plan.route}: {done:,} of {size:,} events")
    joined = None if labels is None else _joined(stage, labels.joiner)
    sides = Sides(play.windows(), plan.candidate, plan.stable, wanted.sample)
    return Rehearsal(
        plan,
        stage.stream,
        size,
        stage.events.left_out,
        sides,
        compared(sides),
        judged(plan, sides),
        unseen(plan),
        joined,
    )


def _labels(stage: Stage, plan: Plan, pair: Pair) -> Labels:
    """Return what joins labels; raises Rejected `E_OPTION` for an output that one side lacks."""
    there = {o.name for o in pair.stable.contract.outputs} & {
        o.name for o in pair.candidate.contract.outputs
    }
    if stage.terms.output and stage.terms.output not in there:
        said = f"--output {stage.terms.output} is no output of both versions"
        raise Rejected("E_OPTION", said, expected=f"one of {', '.join(sorted(there)) or 'none'}")
    until = SystemClock().now() - maturity(plan)
    return Labels(Joiner(replace(stage.terms, route=plan.route)), until)


def _joined(stage: Stage, joiner: Joiner) -> Joined:
    """Give all labels to a joiner."""
    for record in all_records(stage.session.log(), stage.labels):
        give(record, lambda _, fields: joiner.label(fields), joiner.totals)
    return joiner.totals
