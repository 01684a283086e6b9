"""`modelwire simulate`: what a rollout file would do with a good and with a bad candidate."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import orjson

from modelwire_router.cli import drawing
from modelwire_router.cli.session import Session
from modelwire_router.cli.telling import Teller
from modelwire_router.feed import read_events
from modelwire_router.rollout.plan import Exposure, Plan
from modelwire_router.rollout_file.reading import Wanted, read_rollouts
from modelwire_router.simulation.behaviour import Behaviour
from modelwire_router.simulation.run import DAY, Case, Run, play
from modelwire_router.simulation.streams import Drawn, Recorded, Stream, moving
from modelwire_router.simulation.summary import rows
from modelwire_schemas.errors import Rejected

WORTH = 20
"""So many runs are worth other processes."""

MOST_EVENTS = 200_000
"""So many recorded events are taken, the first ones."""

CANDIDATES: tuple[str, ...] = ("good", "bad")

WORSE = 5
"""How many times as often a bad candidate fails, unless something else is said."""

_LIMITS = {
    "rate": (0.001, 1e5),
    "errors": (0.0, 1.0),
    "bad_errors": (0.0, 1.0),
    "bad_latency": (0.01, 100.0),
    "bad_shift": (-10.0, 10.0),
    "bad_quality": (0.0, 10.0),
    "bad_changed": (0.0, 1.0),
    "bad_inputs": (-10.0, 10.0),
    "runs": (1, 100_000),
    "seed": (0, 2**63),
    "ready_after": (0.0, 86_400.0),
    "operator_after": (0.0, 86_400.0),
    "within": (1.0, 30 * 86_400.0),
    "processes": (1, 1024),
}


@click.command()
@click.option(
    "-f",
    "--file",
    "paths",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Rollouts as YAML; templates may stand in another file.",
)
@click.option("--good", is_flag=True, help="Only a candidate that does as stable does.")
@click.option("--bad", is_flag=True, help="Only a candidate that does worse.")
@click.option("--rate", type=float, default=500.0, show_default=True, help="Events a second.")
@click.option("--errors", type=float, default=0.001, show_default=True, help="Share that fails.")
@click.option("--bad-errors", type=float, help="Share that fails on a bad one: 5 times --errors.")
@click.option("--bad-latency", type=float, help="Times as slow.")
@click.option("--bad-shift", type=float, help="Added to the log-odds of its scores.")
@click.option("--bad-quality", type=float, help="How far it tells labels apart; stable does 1.")
@click.option("--bad-changed", type=float, help="Share of outputs that differ from stable's.")
@click.option("--bad-inputs", type=float, help="Standard deviations its events are off the sample.")
@click.option(
    "--events", type=click.Path(path_type=Path), help="A CSV or JSON lines: their keys and fields."
)
@click.option("--key-field", default="", help="The column that is the record's key.")
@click.option("--ready-after", type=float, default=0.0, help="Seconds until the fleet is warm.")
@click.option(
    "--operator-after",
    type=float,
    default=60.0,
    show_default=True,
    help="Seconds after which a pause without an end is promoted.",
)
@click.option("--within", type=float, default=DAY / 1000, help="Seconds to play; default: a day.")
@click.option("--runs", type=int, default=200, show_default=True, help="For each candidate.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--processes", type=int, help="By default one for each processor.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw it: FILE.png or FILE.html.")
@click.pass_obj
def simulate(
    session: Session,
    /,
    paths: tuple[Path, ...],
    plot: Path | None,
    **options: Any,  # noqa: ANN401 - as they stand above
) -> None:
    """Play a file's rollouts in virtual time, and tell how they end. Needs no log.

    Controller and analysis are the real ones; what consumers would report is drawn. Webhooks
    agree, and what they or Prometheus measure keeps its limits.
    """
    _check(options)
    if plot is not None:
        drawing.check(plot)
    cases = _cases(read_rollouts(paths, None), options)
    played: dict[str, list[Run]] = {}
    for candidate, case in cases.items():
        session.say(f"{candidate}: {_does(case.candidate)}")
        number = CANDIDATES.index(candidate)
        seeds = [(options["seed"], number, run) for run in range(options["runs"])]
        runs = _played(case, seeds, options["processes"] or os.cpu_count() or 1)
        played[candidate] = list(_told(session, candidate, runs, len(seeds)))
    found = [row for candidate, runs in played.items() for row in rows(candidate, runs)]
    columns = ["candidate", "outcome", "share", "minutes", "events", "candidate_events", "why"]
    if any(isinstance(step, Exposure) for case in cases.values() for step in case.plans[0].steps):
        columns.append("weights")
    session.table(found if session.as_json else [_plain(row) for row in found], columns)
    if plot is not None:
        drawing.write(plot, played)
        session.say(f"drawn in {plot}")


def _check(options: Mapping[str, Any]) -> None:
    """Raise Rejected `E_OPTION` for a number that is none, or beyond all reason."""
    for name, (low, high) in _LIMITS.items():
        value = options[name]
        if value is not None and not low <= value <= high:
            option = f"--{name.replace('_', '-')}"
            raise Rejected("E_OPTION", f"{option} {value}", expected=f"{low:g} to {high:g}")


def _cases(wanted: Sequence[Wanted], options: Mapping[str, Any]) -> dict[str, Case]:
    plans = tuple(one.plan for one in wanted)
    if not plans:
        raise Rejected("E_EMPTY", "the file has no rollout", expected="kind: Rollout")
    stable = Behaviour(errors=options["errors"])
    behaviours = dict(zip(CANDIDATES, (stable, _bad(stable, options)), strict=True))
    asked = [name for name in behaviours if options[name]] or list(behaviours)
    return {
        name: Case(
            plans=plans,
            stable=stable,
            candidate=behaviours[name],
            stream=_stream(plans, options),
            rate=options["rate"],
            ready_after=int(options["ready_after"] * 1000),
            operator_after=int(options["operator_after"] * 1000),
            at_most=int(options["within"] * 1000),
        )
        for name in asked
    }


def _bad(stable: Behaviour, options: Mapping[str, Any]) -> Behaviour:
    said = {
        name: value
        for name in ("errors", "latency", "shift", "quality", "changed", "inputs")
        if (value := options[f"bad_{name}"]) is not None
    }
    return replace(stable, **(said or {"errors": min(1.0, WORSE * stable.errors)}))


def _does(candidate: Behaviour) -> str:
    """Return what a candidate does, by the names of the options."""
    usual = asdict(Behaviour())
    told = {n: v for n, v in asdict(candidate).items() if n == "errors" or v != usual[n]}
    return ", ".join(f"{name} {value:g}" for name, value in told.items())


def _stream(plans: Sequence[Plan], options: Mapping[str, Any]) -> Stream:
    if options["events"] is None:
        return Drawn(moving(plans))
    read = read_events(options["events"], key_field=options["key_field"])
    events = list(islice(read, MOST_EVENTS))
    if not events:
        raise Rejected("E_ROW", "the file has no event", where=str(options["events"]))
    fields = [orjson.loads(event.value) for event in events]
    return Recorded([event.key for event in events], fields, moving(plans))


def _played(case: Case, seeds: Sequence[tuple[int, ...]], processes: int) -> Iterable[Run]:
    if processes == 1 or len(seeds) < WORTH:
        yield from (play(case, seed) for seed in seeds)
        return
    chunk = max(1, len(seeds) // (processes * 8))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(play, case), seeds, chunksize=chunk)


def _told(session: Session, candidate: str, runs: Iterable[Run], of: int) -> Iterator[Run]:
    """Pass the runs on, and tell people how far it is."""
    teller = Teller(session)
    for number, run in enumerate(runs, 1):
        teller.tell(f"{candidate}: {number} of {of} runs")
        yield run


def _plain(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row as people read it: medians, with what a tenth is below and above."""
    return {
        "candidate": row["candidate"],
        "outcome": row["outcome"],
        "share": f"{100 * row['share']:.4g} %",
        "minutes": _numbers(row["minutes"], ".1f"),
        "events": _numbers(row["events"], ",.0f"),
        "candidate_events": _numbers(row["candidate_events"], ",.0f"),
        "why": ", ".join(f"{name} ({count})" for name, count in row["why"].items()),
        "weights": " ".join(f"{weight['median']:.3g}" for weight in row["weights"]) + " %",
    }


def _numbers(spread: Mapping[str, float], form: str) -> str:
    low, middle, high = (format(spread[name], form) for name in ("p10", "median", "p90"))
    return middle if low == high else f"{middle} ({low}..{high})"
