"""What is wrong with rollouts as their routes stand: every fault, with its place (pure)."""

from collections.abc import Iterable, Iterator

from modelwire.control.checks import named_release
from modelwire.control.state import State
from modelwire.reporting.measured import MOST_OUTPUTS
from modelwire_publisher.plain_yaml import Document, Steps
from modelwire_router.rollout.documents import prepared
from modelwire_router.rollout.plan import Mirror, Plan
from modelwire_router.rollout_file.reading import Wanted
from modelwire_schemas.errors import Fault, Rejected, RejectedFile

VERSIONS = {"stable", "candidate", "version"}
"""The fields whose values are versions."""


def check_standing(wanted: Iterable[Wanted], state: State, more: Iterable[Fault] = ()) -> None:
    """Raise RejectedFile with every fault that keeps rollouts from beginning, and `more`.

    Raises Conflict `E_ROLLOUT` where another rollout is under way: that is no fault of the file.
    """
    faults = [*_faults(wanted, state), *more]
    if faults:
        raise RejectedFile(faults)


def _faults(wanted: Iterable[Wanted], state: State) -> Iterator[Fault]:
    """Yield where a route gives its events to another version, and versions nobody released."""
    for one in wanted:
        plan = one.plan
        try:
            prepared(plan, state.routes.get(plan.route))
        except Rejected as error:
            yield one.fault(error, ("spec", "stable"))
        for version in _versions(plan) if plan.model in state.releases else (plan.stable,):
            try:
                named_release(state, plan.model, version, plan.route)
            except Rejected as error:
                unknown = error.code == "E_UNKNOWN_MODEL"
                yield one.fault(error, _model(one) if unknown else _place(one.document, version))
        yield from _undecided(one, state)


def _undecided(one: Wanted, state: State) -> Iterator[Fault]:
    """Yield where a budget's output is none that telemetry compares between both versions."""
    found = (state.release(one.plan.model, v) for v in (one.plan.stable, one.plan.candidate))
    outputs = [[output.name for output in release.contract.outputs] for release in found if release]
    if len(outputs) < 2:
        return
    told = [name for name in _compared(*outputs) if name in _compared(*reversed(outputs))]
    for place in one.document.values:
        if place[-2:] == ("exposure", "output") and one.document.at(place) not in told:
            what = f"output {one.document.at(place)} is not compared between both versions"
            error = Rejected("E_OUTPUT", what, expected=f"one of {', '.join(told) or 'none'}")
            yield one.fault(error, place)


def _compared(names: list[str], others: list[str]) -> list[str]:
    """Return the outputs of a shadow that are compared with another version's."""
    return [name for name in names if name in others][:MOST_OUTPUTS]


def _versions(plan: Plan) -> tuple[str, ...]:
    """Return the versions that a plan names, each once."""
    shadows = [step.shadow for step in plan.steps if isinstance(step, Mirror)]
    arms = [variant.version for rule in plan.rules for variant in rule.variants]
    mirrored = [shadow.version for shadow in (*plan.shadows, *shadows)]
    return tuple(dict.fromkeys((plan.stable, plan.candidate, *arms, *mirrored)))


def _model(one: Wanted) -> Steps:
    said: Steps = ("spec", "model")
    return said if said in one.document.values else ("metadata", "name")


def _place(document: Document, version: str) -> Steps:
    """Return where a version is named first."""
    named = (s for s in document.values if s and s[-1] in VERSIONS and document.at(s) == version)
    return next(named, ("metadata", "name"))
