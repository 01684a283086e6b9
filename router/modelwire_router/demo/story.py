"""The demo's stories: what is done while flights are scored, and what has to come of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modelwire_router.demo.acts import Act, Operator
from modelwire_router.demo.sides import Kind
from modelwire_schemas.rollout import Phase


@dataclass(frozen=True, slots=True)
class Story:
    """What happens before the first event and under the running stream, in order.

    `ends` is how the rollout of each version has to end, and `proves` what has to be seen of who
    got which version; `rate` is how many events come a second. With `labels` what became of the
    flights is joined with the predictions.
    """

    name: str
    told: str
    rate: int
    ends: Mapping[str, Phase]
    proves: tuple[Kind, ...]
    opening: tuple[Act, ...]
    acts: tuple[Act, ...]
    labels: bool = True


def canary(by: Operator) -> Story:
    """Return the story that is told unless another one is asked for."""
    return Story(
        "canary",
        "one plan for two versions: the good one goes on, the broken one goes back",
        1250,
        {"2": Phase.COMPLETED, "3": Phase.ROLLED_BACK},
        (Kind.PLAN, Kind.SHARES),
        _opening(by),
        (
            by.publish(0.01, "v2", "2", "a better one: delay, route, weather"),
            by.apply(0.01, "canary", "1", "2", "10 %, 50 %, all: the controller's from here"),
            by.publish(0.02, "v3", "3", "passes every check, and is broken"),
            by.apply(0.01, "canary", "2", "3", "the same plan"),
            by.publish(0.02, "not_a_model", "4", "a web page instead of a model"),
            by.publish(0.02, "bomb", "5", "a file that kills whoever loads it"),
            by.plant_bomb(0.02, "2"),
        ),
    )


def shadow(by: Operator) -> Story:
    """Return the story of a version that is found out before it answers anything."""
    return Story(
        "shadow",
        "the broken version scores unseen, and is found out before it answers any flight",
        2000,
        {"3": Phase.ROLLED_BACK},
        (Kind.PAIRS,),
        (
            by.publish(0, "v2", "2", "the version that answers: delay, route, weather"),
            by.flip(0, "2", "it gets every event"),
        ),
        (
            by.publish(0.05, "v3", "3", "passes every check, and is broken"),
            by.apply(0.05, "shadow", "2", "3", "half of the planes from JFK, unseen"),
        ),
        labels=False,
    )


def ab(by: Operator) -> Story:
    """Return the story of an experiment that a person ends."""
    return Story(
        "ab",
        "half of the planes on long flights get the new version, until somebody has seen enough",
        2000,
        {"2": Phase.COMPLETED},
        (Kind.SHARES,),
        _opening(by),
        (
            by.publish(0.05, "v2", "2", "a better one: delay, route, weather"),
            by.apply(0.05, "ab", "1", "2", "long flights: half and half, by plane"),
            by.promote(0.4, "seen enough: the experiment ends"),
            by.flip(0.05, "2", "the treatment did better"),
        ),
        labels=False,
    )


def bluegreen(by: Operator) -> Story:
    """Return the story of a flip in one record, and of one that does not come."""
    return Story(
        "bluegreen",
        "held warm, looked at unseen, then all at once; the broken version never gets so far",
        1200,
        {"2": Phase.COMPLETED, "3": Phase.ROLLED_BACK},
        (Kind.PLAN, Kind.FLIP, Kind.PAIRS),
        _opening(by),
        (
            by.publish(0.01, "v2", "2", "a better one: delay, route, weather"),
            by.apply(0.01, "bluegreen", "1", "2", "unseen first, then everything at once"),
            by.publish(0.02, "v3", "3", "passes every check, and is broken"),
            by.apply(0.01, "bluegreen", "2", "3", "the same plan"),
        ),
    )


def rolling(by: Operator) -> Story:
    """Return the story of partitions that move."""
    return Story(
        "rolling",
        "whole partitions of the stream move to the new version, one after the other",
        2000,
        {"2": Phase.COMPLETED},
        (Kind.PARTITIONS,),
        _opening(by),
        (
            by.publish(0.05, "v2", "2", "a better one: delay, route, weather"),
            by.apply(0.05, "rolling", "1", "2", "one partition after the other"),
        ),
        labels=False,
    )


STORIES: Mapping[str, Callable[[Operator], Story]] = {
    "canary": canary,
    "shadow": shadow,
    "ab": ab,
    "bluegreen": bluegreen,
    "rolling": rolling,
}


def _opening(by: Operator) -> tuple[Act, ...]:
    return (
        by.publish(0, "v1", "1", "a first model: timetable only"),
        by.flip(0, "1", "it gets every event"),
    )
