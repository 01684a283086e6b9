"""Predictions and the labels that come for them: late, out of order, doubled, or never. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np

from modelwire.reporting.recorder import Windows
from modelwire_schemas.telemetry import SHADOW_VARIANT, Role, WindowKey

MOST = 500_000
"""Events that are remembered: their predictions until a label comes, their labels afterwards."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is joined: an output with a label's field, by the event's id.

    `label_id` is the label's field that holds the id: the event's coordinates as
    `stream/partition/offset` or, with `event_id`, what that field of the event holds. With
    `at_least` the label is whether the field reaches that number. `span` (ms) is how long a window
    is. Without `output` the only or first one counts.
    """

    route: str
    label_field: str
    label_id: str = "id"
    event_id: str = ""
    output: str = ""
    at_least: float | None = None
    span: int = 60_000


@dataclass(slots=True)
class Joined:
    """What became of predictions and labels so far.

    `unknown` are labels of which no prediction is known (yet), `doubled` those of an event that
    had one, `damaged` records that are not what they should be.
    """

    predictions: int = 0
    labels: int = 0
    matched: int = 0
    doubled: int = 0
    unknown: int = 0
    damaged: int = 0


class Match(NamedTuple):
    """A prediction whose label has come."""

    key: WindowKey
    output: str
    score: float
    label: float


class Labelled(NamedTuple):
    """Predictions whose labels have come, to be counted."""

    matches: Sequence[Match]

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.matches)

    def add_to(self, windows: Windows) -> None:
        """Count each in the window of its event."""
        groups: dict[tuple[WindowKey, str], list[Match]] = {}
        for match in self.matches:
            groups.setdefault((match.key, match.output), []).append(match)
        for (key, output), found in groups.items():
            scores = np.array([match.score for match in found], np.float64)
            labels = np.array([match.label for match in found], np.float64)
            windows.window(key, len(found)).outcome(output).add(scores, labels)


class Joiner:
    """Joins what it is given, in any order; the same records always give the same matches."""

    def __init__(self, terms: Terms) -> None:
        self.totals = Joined()
        self._terms = terms
        self._ids: dict[str, str] = {}
        self._waiting: dict[str, list[Match]] = {}
        self._labels: dict[str, float] = {}
        self._early: dict[str, None] = {}
        self._seen: dict[tuple[str, Role, str], None] = {}
        self._matches: list[Match] = []

    def event(self, place: str, fields: Mapping[str, Any]) -> None:
        """Take note of what an event at some coordinates is called."""
        name = fields.get(self._terms.event_id)
        if name is not None:
            _keep(self._ids, place, str(name))

    def output(self, value: Mapping[str, Any]) -> None:
        """Take a live output; one that another version gave teaches nothing (R16)."""
        if value.get("route") != self._terms.route or value["served_by"] != value["routed_to"]:
            return
        told = (value["model"], value["served_by"], value["variant"], Role.LIVE, value["revision"])
        self._predicted(value["source"], told, value["outputs"])

    def pair(self, value: Mapping[str, Any]) -> None:
        """Take a shadow's side of a pair."""
        if value.get("route") != self._terms.route:
            return
        shadow = value["shadow"]
        told = (value["model"], shadow["version"], SHADOW_VARIANT, Role.SHADOW, value["revision"])
        self._predicted(value["source"], told, shadow["outputs"])

    def label(self, fields: Mapping[str, Any]) -> None:
        """Take a label; of several for one event the first counts."""
        name, value = fields.get(self._terms.label_id), fields.get(self._terms.label_field)
        if name is None or value is None or value == "":
            return  # a label that never comes has a record, too, on some streams
        label, least = float(value), self._terms.at_least
        if not np.isfinite(label):
            raise ValueError(value)
        self.totals.labels += 1
        if str(name) in self._labels:
            self.totals.doubled += 1
            return
        label = label if least is None else float(label >= least)
        _keep(self._labels, str(name), label)
        waiting = self._waiting.pop(str(name), [])
        if not waiting:
            self.totals.unknown += 1
            _keep(self._early, str(name), None)
        self._matched([match._replace(label=label) for match in waiting])

    def matches(self) -> Labelled:
        """Return what was matched since this was asked last."""
        found, self._matches = self._matches, []
        return Labelled(found)

    def _predicted(
        self,
        source: Mapping[str, Any],
        told: tuple[str, str, str, Role, int],
        outputs: Mapping[str, Any],
    ) -> None:
        place = f"{source['stream']}/{source['partition']}/{source['offset']}"
        name = self._ids.get(place, "") if self._terms.event_id else place
        model, version, variant, role, revision = told
        output = self._terms.output or next(iter(outputs))
        start = max(0, source["timestamp"]) // self._terms.span * self._terms.span
        where = (variant, role, revision, start, self._terms.span)
        number = _first(outputs[output])
        if (place, role, version) in self._seen:
            return
        _keep(self._seen, (place, role, version), None)
        self.totals.predictions += 1
        match = Match(WindowKey(self._terms.route, model, version, *where), output, number, 0.0)
        if name in self._labels:
            if name in self._early:
                self.totals.unknown -= 1
                del self._early[name]
            self._matched([match._replace(label=self._labels[name])])
        elif name:
            _keep(self._waiting, name, [*self._waiting.get(name, []), match])

    def _matched(self, matches: Sequence[Match]) -> None:
        self._matches += matches
        self.totals.matched += len(matches)


def _first(score: Any) -> float:  # noqa: ANN401 - whatever JSON holds
    """Return a score, the first where there are several."""
    return float(np.ravel(score)[0])


def _keep(held: dict[K, V], key: K, value: V) -> None:
    """Remember one more; what came first goes first."""
    held[key] = value
    if len(held) > MOST:
        del held[next(islice(held, 1))]
