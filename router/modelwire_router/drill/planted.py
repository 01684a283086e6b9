"""A rollout file's plan with a bad version in the candidate's place (pure)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from modelwire_router.rollout.plan import (
    OF_INPUTS,
    OF_LABELS,
    Analyse,
    Metric,
    Mirror,
    Pause,
    Plan,
    Step,
    Template,
)
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import Rule, Shadow

BAD = "-drill"
"""What the bad version's name ends with; it stands behind that of the stable one."""


class Planted(NamedTuple):
    """A plan to be drilled, the version that is bad, and the metrics that a drill cannot have."""

    plan: Plan
    bad: str
    left_out: tuple[str, ...]


def planted(plan: Plan) -> Planted:
    """Return the plan that a drill runs.

    It asks nobody outside, and judges neither labels nor inputs: the events of both sides are the
    same. It holds from now on, whatever its schedule. Raises Rejected `E_DRILL` where the plan has
    metrics and none of them is left.
    """
    bad = plan.stable[: 64 - len(BAD)] + BAD
    templates = [Template(t.name, tuple(filter(_is_seen, t.metrics))) for t in plan.templates]
    left_out = tuple(dict.fromkeys(m.name for m in plan.metrics if not _is_seen(m)))
    if left_out and not any(t.metrics for t in templates):
        raise Rejected(
            "E_DRILL",
            f"a drill can judge none of the metrics: {', '.join(left_out)}",
            where=f"rollout {plan.route}",
            expected="a metric of errors, latency, outputs or pairs",
            todo="add one, as error_rate, or try the file with modelwire simulate",
        )
    named = {template.name for template in templates if template.metrics}
    swap = _Swap(plan.candidate, bad)
    drilled = replace(
        plan,
        candidate=bad,
        steps=tuple(_step(step, named, swap) for step in plan.steps),
        rules=tuple(swap.rule(rule) for rule in plan.rules),
        shadows=tuple(swap.shadow(shadow) for shadow in plan.shadows),
        templates=tuple(template for template in templates if template.metrics),
        background=_among(plan.background, named),
        keep_warm=0,
        hooks=(),
        at=None,
    )
    return Planted(drilled, bad, left_out)


def versions(plan: Plan) -> tuple[str, ...]:
    """Return every version that a plan names."""
    mirrored = [step.shadow.version for step in plan.steps if isinstance(step, Mirror)]
    shadows = [shadow.version for shadow in plan.shadows]
    named = [variant.version for rule in plan.rules for variant in rule.variants]
    return tuple(dict.fromkeys((plan.stable, plan.candidate, *named, *shadows, *mirrored)))


class _Swap(NamedTuple):
    """One version in the place of another."""

    old: str
    new: str

    def version(self, said: str) -> str:
        return self.new if said == self.old else said

    def rule(self, rule: Rule) -> Rule:
        variants = [replace(v, version=self.version(v.version)) for v in rule.variants]
        return replace(rule, variants=tuple(variants))

    def shadow(self, shadow: Shadow) -> Shadow:
        return replace(shadow, version=self.version(shadow.version))


def _step(step: Step, named: set[str], swap: _Swap) -> Step:
    match step:
        case Mirror():
            return replace(step, shadow=swap.shadow(step.shadow))
        case Analyse():
            left = _among(step.templates, named)
            return replace(step, templates=left) if left else Pause(step.ms)
        case _:
            return step


def _among(names: Iterable[str], known: set[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in known)


def _is_seen(metric: Metric) -> bool:
    """Whether a drill can measure it."""
    return metric.measure not in OF_INPUTS | OF_LABELS | {None}
