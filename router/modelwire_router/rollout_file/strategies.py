"""The strategies of a rollout file, and the parts that they share (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from modelwire_router.rollout_file.asking import Part, Wrong, fields, items, written
from modelwire_router.rollout_file.match import Condition
from modelwire_router.rollout_file.words import (
    Duration,
    Header,
    Line,
    OutputName,
    Percent,
    Salt,
    TemplateName,
    Time,
)

STEPS = ("setWeight", "exposure", "pause", "analysis", "mirror")


class Judged(Part):
    """Templates that are judged."""

    templates: list[TemplateName] = Field(min_length=1)
    """Names of AnalysisTemplates; all their metrics must pass."""


class AnalysisPart(Judged):
    """Templates that are judged at a step."""

    duration: Duration = written("0s")
    """How long it is looked at before it may pass."""


class BackgroundPart(Judged):
    """Templates that are judged beside the steps."""

    starting_step: int = Field(default=0, ge=0)
    """The first step, counted from 0, at which they are judged."""


class PausePart(Part):
    """A wait."""

    duration: Duration | SkipJsonSchema[None] = None
    """How long; without one, until `modelwire promote`."""


class MirrorPart(Part):
    """Events that the candidate scores without answering."""

    percent: Percent = written(100)
    """The share of the events; 0 ends it."""
    match: Condition | SkipJsonSchema[None] = None
    """Which events; all, where nothing is said."""
    salt: Salt | SkipJsonSchema[None] = None
    """What the draw is mixed with; without one, `shadow-VERSION`."""


class ExposurePart(Part):
    """A share that adapts: no more than so many decisions an hour differ from stable's."""

    changed_per_hour: int = Field(ge=1, le=1_000_000_000)
    """How many decisions may differ in an hour of event time."""
    output: OutputName
    """The output that is the decision."""
    threshold: float | SkipJsonSchema[None] = None
    """Where a score becomes another decision; without one, every difference is one."""
    up_to: Percent = written(50)
    """The candidate's share at the most, in percent."""
    duration: Duration | SkipJsonSchema[None] = None
    """How long it lasts; without one, until `modelwire promote`."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        if said.get("upTo") == 0:
            what = "with upTo: 0 the candidate gets nothing"
            yield Wrong(("upTo",), "E_EXPOSURE", what, "a percent", "a mirror shows as much")


class StepPart(Part):
    """One step: setWeight, exposure, pause, analysis or mirror."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    set_weight: Percent | SkipJsonSchema[None] = None
    """The candidate's share of the events, in percent."""
    exposure: ExposurePart | SkipJsonSchema[None] = None
    """The share that changes no more than so many decisions an hour."""
    pause: PausePart | SkipJsonSchema[None] = None
    """Wait: `{duration: 10m}`, or `{}` until somebody promotes."""
    analysis: AnalysisPart | SkipJsonSchema[None] = None
    """Go on when the templates pass."""
    mirror: MirrorPart | SkipJsonSchema[None] = None
    """Let the candidate score events without answering."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        found = [key for key in STEPS if key in said]
        if len(found) > 1 or not (found or said):
            what = " and ".join(found) + " in one step" if found else "a step that says nothing"
            yield Wrong(
                (), "E_STEP", what, f"one of {', '.join(STEPS)}", "a step of its own for each"
            )


class Basic(Part):
    """All at once, when the fleet has the candidate warm."""


class BlueGreen(Part):
    """Held warm and looked at, then everything in one record; the old one stays warm."""

    auto_promotion: bool = False
    """Whether it flips by itself; else it waits for `modelwire promote`."""
    pre_promotion_analysis: AnalysisPart | SkipJsonSchema[None] = None
    """What must pass before the flip: of mirrored events, Prometheus or a webhook."""
    post_promotion_analysis: AnalysisPart | SkipJsonSchema[None] = None
    """What must pass after the flip; else it goes back."""
    keep_warm: Duration = written("30m")
    """How long the old version stays loaded, so that the way back fetches nothing."""


class Canary(Part):
    """A growing share of the keys, step by step."""

    steps: list[StepPart] = Field(min_length=1, max_length=100)
    """What happens, in order; behind the last step the candidate has everything."""
    background: BackgroundPart | SkipJsonSchema[None] = None
    """Analysis beside the steps."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        steps = items(said.get("steps"))
        start = fields(said.get("background")).get("startingStep", 0)
        if isinstance(start, int) and steps and start >= len(steps):
            yield Wrong(
                ("background", "startingStep"),
                "E_STEP",
                f"there is no step {start}",
                f"0 to {len(steps) - 1}: steps are counted from 0",
            )
        yield from _budgets([fields(step) for step in steps])


def _budgets(steps: Sequence[Mapping[str, Any]]) -> Iterator[Wrong]:
    """Yield what is wrong between exposure budgets and the steps before them."""
    weight: Any = 0
    told: dict[object, object] = {}
    for i, step in enumerate(steps):
        weight = step.get("setWeight", weight)
        if "exposure" not in step:
            continue
        said = fields(step["exposure"])
        most, output, threshold = said.get("upTo", 50), said.get("output"), said.get("threshold")
        if isinstance(weight, int | float) and isinstance(most, int | float) and 0 < most < weight:
            what = f"the candidate has {weight} percent before, and {most} at the most here"
            yield Wrong(("steps", i, "exposure"), "E_EXPOSURE", what, f"upTo: {weight} or more")
        usable = isinstance(output, str) and threshold == threshold
        if usable and told.setdefault(output, threshold) != threshold:
            what = f"{output} with another threshold than at an earlier step"
            yield Wrong(("steps", i, "exposure"), "E_EXPOSURE", what, f"threshold: {told[output]}")


class Rolling(Part):
    """Whole source partitions move, some at a time."""

    topic: Line
    """The stream whose partitions move."""
    partitions: int = Field(ge=1, le=1000)
    """How many it has."""
    batch: int = Field(default=1, ge=1)
    """How many move at a time."""
    pause: Duration = written("0s")
    """How long to wait behind each batch."""
    analysis: AnalysisPart | SkipJsonSchema[None] = None
    """What must pass behind each batch."""


class ShadowPart(MirrorPart):
    """The candidate scores events and never answers."""

    analysis: AnalysisPart | SkipJsonSchema[None] = None
    """What is judged; without it the shadow runs until somebody promotes."""


class Forced(Part):
    """How test traffic chooses its variant."""

    header: Header
    """The header that names a variant."""


class Ab(Part):
    """Variants side by side, by `routes`."""

    ends_at: Time | SkipJsonSchema[None] = None
    """The event time from which the stable version has everything again."""
    analysis: Judged | SkipJsonSchema[None] = None
    """What is judged all the while; a failure ends the experiment."""
    forced: Forced | SkipJsonSchema[None] = None
    """How test traffic chooses its variant."""
