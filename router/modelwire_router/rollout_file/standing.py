"""What is wrong with rollouts as their routes stand: every fault, with its place (pure)."""

from collections.abc import Iterable, Iterator

from modelwire.control.checks import named_release
from modelwire.control.state import State
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
