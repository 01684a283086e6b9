"""Metric traces and what is to be said of each: its newest finding, and what all looks come to."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from modelwire_router.analysis.evidence import Evidence, Reading
from modelwire_router.rollout.plan import Measure, Metric, Prometheus, Query
from modelwire_schemas.rollout import Judgement
from modelwire_schemas.telemetry import (
    Moments,
    Outcome,
    Output,
    Pair,
    Role,
    Sketch,
    Window,
)
from tests.router.analysis.made import T0, sketch, window

P, F, T, N, I = (  # noqa: E741
    Judgement.PASS, Judgement.FAIL, Judgement.TOO_FEW, Judgement.NO_DATA, Judgement.INCONCLUSIVE,
)  # fmt: skip

ERRORS = Metric("errors", Query(Measure.ERROR_RATE), most=0.01)
BORNE = replace(ERRORS, failure_limit=25, inconclusive_limit=25)
WORSE = replace(ERRORS, relative=True, most=1.5)
LATENCY = Metric("p99", Query(Measure.LATENCY), relative=True, most=1.2)
SLOW = replace(LATENCY, relative=False, most=50_000.0)
PSI = Metric("psi", Query(Measure.PSI, "score"), most=0.2)
KS = Metric("ks", Query(Measure.KS, "score"), most=0.1)
NEAR = Metric("near", Query(Measure.MEAN_DIFFERENCE), relative=True, most=1.05, least=0.95)
DISAGREE = Metric("disagreement", Query(Measure.DISAGREEMENT, "score"), most=0.05)
SHIFT = Metric("shift", Query(Measure.MEAN_DIFFERENCE, "score"), most=0.5, least=-0.5)
LOSS = Metric("loss", Query(Measure.LOG_LOSS), relative=True, most=1.1)
BRIER = Metric("brier", Query(Measure.BRIER), most=0.2)
MAE = Metric("mae", Query(Measure.MAE), relative=True, most=1.2)
AUC = Metric("auc", Query(Measure.AUC), least=0.7)
CALIBRATED = Metric("calibration", Query(Measure.CALIBRATION), most=0.1)
RATE = Metric("rate", Query(Measure.EVENT_RATE), least=50.0)
INPUTS = Metric("inputs", Query(Measure.INPUT_DRIFT), most=0.2)
OUTSIDE = Metric("outside", Query(Measure.OUTLIERS), most=0.01)
ASKED = Metric("asked", Prometheus("http://prometheus:9090", "sum(x)"), most=0.02)


@dataclass(frozen=True, slots=True)
class Trace:
    """What was seen, and what is to be said: of the newest look, and of all looks together."""

    name: str
    metric: Metric
    windows: Sequence[Window]
    finding: Judgement
    settled: Judgement
    quiet: int = 0  # ms since anything was heard
    readings: tuple[Reading, ...] = ()
    references: tuple[Output, ...] = ()

    @property
    def now(self) -> int:
        last = max((w.start + w.span for w in self.windows), default=T0)
        return max(last, *(r.at for r in self.readings), T0) + self.quiet

    @property
    def evidence(self) -> Evidence:
        heard = self.now - self.quiet if self.windows else None
        return Evidence(tuple(self.windows), heard, self.readings, self.references)


def counts(version: str, rows: Iterable[tuple[int, int] | None]) -> list[Window]:
    """Return windows of (events, errors), one after another; None: no window came."""
    return [
        window(version, place, events=row[0], errors=row[1])
        for place, row in enumerate(rows)
        if row is not None
    ]


def both(
    candidate: Sequence[tuple[int, int] | None], stable: Sequence[tuple[int, int] | None]
) -> list[Window]:
    return counts("2", candidate) + counts("1", stable)


@cache
def draws(seed: int, many: int, centre: float, spread: float) -> tuple[float, ...]:
    """Return values around a centre."""
    return tuple(np.random.default_rng(seed).normal(centre, spread, many).tolist())


@cache
def delays(seed: int, many: int, scale: float) -> tuple[float, ...]:
    """Return latencies in µs with a tail, p99 at about 32,000 times `scale`."""
    draws = np.random.default_rng(seed).lognormal(math.log(10_000 * scale), 0.5, many)
    return tuple(draws.tolist())


def timed(version: str, seed: int, many: int, scale: float, places: Sequence[int]) -> list[Window]:
    return [
        window(version, place, events=many, latency=sketch(delays(seed + place, many, scale)))
        for place in places
    ]


def scored(
    version: str, seed: int, many: int, centre: float, places: Sequence[int] = range(6)
) -> list[Window]:
    values = {place: sketch(draws(seed + place, many, centre, 1.0)) for place in places}
    return [
        window(version, place, events=many, outputs=(Output("score", values[place]),))
        for place in places
    ]


def with_odd(windows: list[Window], odd: int) -> list[Window]:
    """Return windows in which so many scores more are NaN."""
    return [
        replace(
            one,
            outputs=tuple(
                Output(o.name, replace(o.sketch, moments=replace(o.sketch.moments, odd=odd)))
                for o in one.outputs
            ),
        )
        for one in windows
    ]


def shadowed(
    many: int,
    shift: float,
    unequal: int,
    places: Sequence[int] = range(6),
    odd: int = 0,
    live: float = 10.0,
) -> list[Window]:
    """Return a shadow's windows: pairs whose difference is `shift` plus noise."""
    found: list[Window] = []
    for place in places:
        old, noise = draws(40 + place, many, live, 3.0), draws(60 + place, many, shift, 1.0)
        shadow = [a + b for a, b in zip(old, noise, strict=True)]
        between = sketch(noise)
        between = replace(between, moments=replace(between.moments, odd=odd))
        pair = Pair("score", "1", between, sketch(old), sketch(shadow), unequal)
        found.append(replace(window("2", place, events=many, role=Role.SHADOW), pairs=(pair,)))
    return found


def rotten(windows: list[Window], shadow: int, live: int) -> list[Window]:
    """Return a shadow's windows in which so many outputs more are NaN."""
    return [
        replace(
            one,
            pairs=tuple(
                replace(pair, shadow=missing(pair.shadow, shadow), live=missing(pair.live, live))
                for pair in one.pairs
            ),
        )
        for one in windows
    ]


def labelled(
    version: str, seed: int, many: int, skill: float, places: Sequence[int]
) -> list[Window]:
    """Return windows whose labels came: scores that tell more of the label the higher `skill`."""
    found: list[Window] = []
    for place in places:
        chance = np.random.default_rng(seed + place)
        real = 1 / (1 + np.exp(-chance.normal(0, skill, many)))
        label = chance.random(many) < real
        score = np.clip(real, 0.01, 0.99)
        loss = -np.log(np.where(label, score, 1 - score))
        outcome = Outcome(
            "score",
            many,
            sketch(loss.tolist()).moments,
            sketch(((label - score) ** 2).tolist()).moments,
            sketch(np.abs(label - score).tolist()).moments,
            sketch(score[label].tolist()).bins,
            sketch(score[~label].tolist()).bins,
        )
        found.append(replace(window(version, place, events=many), outcomes=(outcome,)))
    return found


def hours(early: tuple[int, int], late: tuple[int, int]) -> list[Window]:
    """Return labels of two hours: later, both sides (candidate, stable) tell them apart badly."""
    found: list[Window] = []
    for version, first, second, seed in (
        ("2", early[0], late[0], 1),
        ("1", early[1], late[1], 200),
    ):
        found += labelled(version, seed, first, 2.5, range(6))
        found += labelled(version, seed, second, 0.3, range(6, 12))
    return found


def rare(positives: int) -> list[Window]:
    """Return windows of 2,000 events; of the last so many are positive, and ranked lowest."""
    last = Outcome(
        "score", 2_000, positives=sketch([0.01] * positives).bins, negatives=sketch([0.5]).bins
    )
    several = tuple(replace(one, count=2_000 - positives) for one in last.negatives)
    outcome = replace(last, negatives=several)
    return [replace(window("2", p, events=2_000), outcomes=(outcome,)) for p in MINUTE]


def also_scored(windows: list[Window]) -> list[Window]:
    """Return labelled windows with the scores that the labels are about."""
    scores = Output("score", sketch(draws(1, 500, 0.5, 0.1)))
    return [replace(one, outputs=(scores,)) for one in windows]


def unlabelled(windows: list[Window], many: int) -> list[Window]:
    """Return windows of which the first `many` hold a score, or a label, that is none."""
    return [
        replace(w, outcomes=tuple(Outcome(o.output, o.labels) for o in w.outcomes))
        for w in windows[:many]
    ] + windows[many:]


def overconfident(many: int, places: Sequence[int], version: str = "2") -> list[Window]:
    """Return windows whose scores are 0.9 though every other label is 0."""
    half = sketch([0.9] * (many // 2)).bins
    outcome = Outcome("score", many, positives=half, negatives=half)
    return [replace(window(version, p, events=many), outcomes=(outcome,)) for p in places]


def fed(
    seed: int, many: int, centre: float, odd: int = 0, name: str = "age", version: str = "2"
) -> list[Window]:
    """Return windows of an input; `odd` of its values are missing besides."""
    found: list[Window] = []
    for place in range(6):
        held = missing(sketch(draws(seed + place, many, centre, 1.0)), odd)
        plain = window(version, place, events=many + odd)
        found.append(replace(plain, inputs=(Output(name, held),)))
    return found


def missing(held: Sketch, odd: int) -> Sketch:
    return replace(held, moments=replace(held.moments, odd=odd))


def beside(ours: list[Window], theirs: list[Window]) -> list[Window]:
    """Return windows with the inputs of both."""
    return [replace(a, inputs=(*a.inputs, *b.inputs)) for a, b in zip(ours, theirs, strict=True)]


def asked(*values: float | None, every: int = 30_000) -> tuple[Reading, ...]:
    return tuple(
        Reading("asked", T0 + place * every, value, "" if value is not None else "HTTP 500")
        for place, value in enumerate(values, start=1)
    )


TRAINED = (Output("age", sketch(draws(90, 20_000, 0.0, 1.0))),)
GAPPED = (Output("age", missing(TRAINED[0].sketch, 5_000)),)
TWO = (*TRAINED, Output("size", TRAINED[0].sketch))
MINUTE, LONG = range(6), range(18)
FINE, BAD = [(500, 1)] * 6, [(500, 25)] * 6
STABLE = [(9_500, 19)] * 6


TRACES = [
    # the plain ones
    Trace("few errors pass an absolute limit", ERRORS, both(FINE, STABLE), P, P),
    Trace("as many errors as stable pass a relative limit", WORSE, both(FINE, STABLE), P, P),
    Trace("many errors break an absolute limit", ERRORS, both(BAD, STABLE), F, F),
    Trace("many errors break a relative limit", WORSE, both(BAD, STABLE), F, F),
    Trace("no errors at all pass", ERRORS, both([(500, 0)] * 6, [(9_500, 0)] * 6), P, P),
    Trace("no errors on either side pass a relative limit", WORSE,
          both([(500, 0)] * 6, [(9_500, 0)] * 6), P, P),
    Trace("nothing but errors fails before there are min_samples", ERRORS,
          both([(40, 40), None, None], STABLE[:3]), F, F),
    Trace("one error among few events is not proven", ERRORS,
          both([(40, 1), (40, 0), (40, 0)], STABLE[:3]), T, T),
    Trace("errors where a limit of none is set fail", replace(ERRORS, most=0.0),
          both([(500, 2)] * 6, STABLE), F, F),
    Trace("fewer errors than stable pass", WORSE, both([(500, 0)] * 6, BAD), P, P),
    Trace("a failure in a dry run is still said", replace(ERRORS, dry_run=True),
          both(BAD, STABLE), F, F),
    Trace("a metric without limits passes", replace(ERRORS, most=None), both(BAD, STABLE), P, P),
    # too few
    Trace("fewer than min_samples are too few", ERRORS, both([(100, 0)] * 6, STABLE), T, T),
    Trace("min_samples exactly are enough", replace(ERRORS, min_samples=3_000),
          both([(500, 0)] * 6, STABLE), P, P),
    Trace("one less than min_samples is too few", replace(ERRORS, min_samples=3_001),
          both([(500, 0)] * 6, STABLE), T, T),
    Trace("beyond the limit by chance waits for more", WORSE,
          both([(200, 1), (200, 0), (200, 1), (200, 1), (200, 1), (200, 1)], STABLE), T, T),
    Trace("a stable side with few events cannot be compared with", WORSE,
          both([(2_000, 4)] * 6, [(100, 0)] * 6), T, T),
    # surely worse, not surely beyond
    Trace("surely worse but not surely beyond is for an operator", replace(WORSE, most=2.0),
          both([(3_000, 13)] * 12, [(57_000, 114)] * 12), I, I),
    Trace("a doubt that is tolerated waits", replace(WORSE, most=2.0, inconclusive_limit=9),
          both([(3_000, 13)] * 12, [(57_000, 114)] * 12), I, T),
    # missing, late, silent
    Trace("nothing heard since a moment ago waits", ERRORS, [], T, T),
    Trace("nothing ever heard is no data", ERRORS, [], N, N, quiet=70_000),
    Trace("nothing ever heard for long fails", ERRORS, [], N, F, quiet=170_000),
    Trace("silence behind a good start is no data", ERRORS, both(FINE, STABLE), N, N,
          quiet=40_000),
    Trace("long silence behind a good start fails", ERRORS, both(FINE, STABLE), N, F,
          quiet=160_000),
    Trace("a longer error_limit bears a longer silence", replace(ERRORS, error_limit=9),
          both(FINE, STABLE), N, N, quiet=160_000),
    Trace("silence of one interval is not yet silence", ERRORS, both(FINE, STABLE), P, P,
          quiet=20_000),
    Trace("long silence behind a failure is a failure", ERRORS, both(BAD, STABLE), N, F,
          quiet=40_000),
    Trace("no window of the candidate waits", ERRORS, counts("1", STABLE), T, T),
    Trace("no window of stable waits where it is compared", WORSE, counts("2", FINE), T, T),
    Trace("no window of stable does not matter to an absolute limit", ERRORS,
          counts("2", FINE), P, P),
    Trace("zero traffic on both sides waits", ERRORS, both([(0, 0)] * 6, [(0, 0)] * 6), T, T),
    Trace("zero traffic on the candidate waits", ERRORS, both([(0, 0)] * 6, STABLE), T, T),
    Trace("zero traffic on stable waits", WORSE, both(FINE, [(0, 0)] * 6), T, T),
    Trace("windows that came late count when they come", ERRORS,
          both([None, None, None, *BAD[3:]], STABLE), F, F),
    Trace("a gap in the middle is bridged", ERRORS,
          both([(500, 1), None, None, (500, 1), (500, 1), (500, 1)], STABLE), P, P),
    Trace("sides that were never there together wait", WORSE,
          both([*FINE[:3], None, None, None], [None, None, None, *STABLE[3:]]), T, T),
    Trace("a candidate that fell silent waits while stable goes on", ERRORS,
          both([*FINE[:3], None, None, None], STABLE), T, T),
    Trace("a candidate that fell silent and came back passes", ERRORS,
          both([*FINE[:3], None, None, (1, 0)], STABLE), P, P),
    Trace("a candidate that fell silent does not escape what it did", ERRORS,
          both([*BAD[:3], None, None, None], STABLE), F, F),
    Trace("a candidate of few events may be without for a while", ERRORS,
          both([(30, 0)] * 34 + [None] * 3, [(9_500, 19)] * 37), P, P),
    Trace("a shadow that fell silent waits while stable goes on", DISAGREE,
          shadowed(500, 0.0, 5, range(3)) + counts("1", [(500, 0)] * 6), T, T),
    Trace("others that answer everything are no data",
          ERRORS, [window("2", p, events=0, routed=500) for p in MINUTE], N, N),
    Trace("others that keep answering everything fail", replace(ERRORS, error_limit=3),
          [window("2", p, events=0, routed=500) for p in range(15)], N, F),
    # flapping and recovering
    Trace("errors in one window only are borne by the rest", ERRORS,
          both([(500, 1)] * 10 + [(500, 12)] + [(500, 1)] * 10, [(9_500, 19)] * 21), P, P),
    Trace("a burst that proves itself fails though it recovers", ERRORS,
          both([(500, 100)] * 3 + [(500, 0)] * 60, [(9_500, 19)] * 63), P, F),
    Trace("a burst is borne by limits that are wide enough",
          BORNE, both([(500, 100)] * 3 + [(500, 0)] * 60, [(9_500, 19)] * 63), P, P),
    Trace("a failure that is tolerated waits", replace(ERRORS, failure_limit=5),
          both(BAD, STABLE), F, T),
    Trace("errors that flap between good and bad fail in the end", ERRORS,
          both([(500, 0), (500, 30)] * 9, [(9_500, 19)] * 18), F, F),
    Trace("errors that only come late fail late", ERRORS,
          both([(500, 1)] * 6 + [(500, 60)] * 6, [(9_500, 19)] * 12), F, F),
    Trace("errors that both sides have at once blame nobody", WORSE,
          both([(500, 1)] * 6 + [(500, 50)] * 6, [(9_500, 19)] * 6 + [(9_500, 950)] * 6), P, P),
    Trace("a share that grows while errors do blames nobody", WORSE,
          both([(100, 1)] * 6 + [(5_000, 250)] * 6, [(9_900, 99)] * 6 + [(5_000, 250)] * 6), P, P),
    # latency
    Trace("latency as stable's passes", LATENCY,
          timed("2", 1, 500, 1.0, MINUTE) + timed("1", 200, 5_000, 1.0, MINUTE), P, P),
    Trace("latency twice stable's fails", LATENCY,
          timed("2", 1, 500, 2.0, LONG) + timed("1", 200, 2_000, 1.0, LONG), F, F),
    Trace("latency twice stable's in a few windows is not yet proven", LATENCY,
          timed("2", 1, 500, 2.0, MINUTE) + timed("1", 200, 2_000, 1.0, MINUTE), T, T),
    Trace("latency within an absolute limit passes", SLOW, timed("2", 1, 500, 1.0, MINUTE), P, P),
    Trace("latency beyond an absolute limit fails", SLOW, timed("2", 1, 500, 3.0, LONG), F, F),
    Trace("latency of one slow batch blames nobody", LATENCY,
          timed("2", 1, 500, 1.0, range(1, 15)) + timed("2", 1, 500, 4.0, [0])
          + timed("1", 200, 2_000, 1.0, range(15)), T, T),
    Trace("latency that is never reported is no data", LATENCY, both(FINE, STABLE), N, N),
    Trace("latency that both sides lose at once blames nobody", LATENCY,
          timed("2", 1, 500, 1.0, range(6)) + timed("2", 9, 500, 3.0, range(6, 12))
          + timed("1", 200, 5_000, 1.0, range(6)) + timed("1", 300, 5_000, 3.0, range(6, 12)),
          P, P),
    # drift
    Trace("scores as stable's do not drift", PSI,
          scored("2", 1, 500, 0.0) + scored("1", 200, 5_000, 0.0), P, P),
    Trace("scores a deviation off have drifted", PSI,
          scored("2", 1, 1_000, 1.2) + scored("1", 200, 5_000, 0.0), F, F),
    Trace("scores a deviation off are apart by KS", KS,
          scored("2", 1, 1_000, 1.2) + scored("1", 200, 5_000, 0.0), F, F),
    Trace("scores as stable's are together by KS", KS,
          scored("2", 1, 500, 0.0) + scored("1", 200, 5_000, 0.0), P, P),
    Trace("an output that nobody has is no data", replace(PSI, source=Query(Measure.PSI, "x")),
          scored("2", 1, 500, 0.0) + scored("1", 200, 5_000, 0.0), N, N),
    Trace("scores that are all NaN are no data", PSI,
          [replace(w, outputs=(Output("score", Sketch(Moments(odd=500))),)) for w in
           counts("2", FINE)] + scored("1", 200, 5_000, 0.0), N, N),
    Trace("an output that is all NaN does not hide behind another one", replace(
              PSI, source=Query(Measure.PSI)),
          [replace(w, outputs=(*w.outputs, Output("rest", Sketch(Moments(odd=500))))) for w in
           scored("2", 1, 500, 0.0)] + scored("1", 200, 5_000, 0.0), N, N),
    Trace("scores that are often NaN are no data", PSI,
          with_odd(scored("2", 1, 500, 0.0), 50) + scored("1", 200, 5_000, 0.0), N, N),
    Trace("NaN as often as stable's are left out", PSI,
          with_odd(scored("2", 1, 500, 0.0), 50)
          + with_odd(scored("1", 200, 5_000, 0.0), 500), P, P),
    Trace("inputs as in training do not drift", INPUTS, fed(1, 500, 0.0), P, P, references=TRAINED),
    Trace("inputs unlike training have drifted", INPUTS, fed(1, 1_000, 1.5), F, F,
          references=TRAINED),
    Trace("inputs without a sample to hold them against are no data", INPUTS,
          fed(1, 500, 0.0), N, N),
    Trace("inputs of which a part is missing have drifted", INPUTS, fed(1, 1_000, 0.0, 500), F, F,
          references=TRAINED),
    Trace("inputs that are as often missing in training do not drift", INPUTS,
          fed(1, 1_000, 0.0, 250), P, P, references=GAPPED),
    Trace("inputs that are all missing have drifted", INPUTS,
          [replace(w, inputs=(Output("age", Sketch(Moments(odd=500))),)) for w in
           counts("2", FINE)], F, F, references=TRAINED),
    Trace("inputs that nobody watches are no data", INPUTS, counts("2", FINE), N, N,
          references=TRAINED),
    Trace("inputs that the sample lacks are no data", INPUTS, fed(1, 500, 0.0, name="size"), N, N,
          references=TRAINED),
    Trace("inputs that the sample lacks are left out beside others", INPUTS,
          beside(fed(1, 500, 0.0), fed(1, 500, 9.0, name="size")), P, P, references=TRAINED),
    Trace("inputs of which one has drifted fail", INPUTS,
          beside(fed(1, 1_000, 0.0), fed(1, 1_000, 1.5, name="size")), F, F, references=TWO),
    Trace("inputs of which one had drifted fail when another is farther off", INPUTS,
          beside(fed(1, 400, 2.0, name="size")[:3], fed(1, 400, 0.2)[:3])
          + beside(fed(1, 20_000, 0.0, name="size")[3:], fed(1, 20_000, 0.2)[3:]), P, F,
          references=TWO),
    Trace("inputs wait while the candidate has no event", INPUTS,
          fed(1, 500, 0.0, version="1"), T, T, references=TRAINED),
    Trace("inputs of a shadow are those that stable answers", INPUTS,
          shadowed(500, 0.0, 0) + fed(1, 1_000, 0.0, version="1"), P, P, references=TRAINED),
    Trace("inputs of a shadow drift as those that stable answers", INPUTS,
          shadowed(500, 0.0, 0) + fed(1, 1_000, 1.5, version="1"), F, F, references=TRAINED),
    Trace("inputs of a shadow that nobody watches are no data", INPUTS,
          shadowed(500, 0.0, 0) + both([], FINE), N, N, references=TRAINED),
    Trace("inputs within the range of training are no outliers", OUTSIDE, fed(1, 1_000, 0.0), P, P,
          references=TRAINED),
    Trace("inputs beyond the range of training are outliers", OUTSIDE, fed(1, 1_000, 2.5), F, F,
          references=TRAINED),
    Trace("inputs below the range of training are outliers", OUTSIDE, fed(1, 1_000, -2.5), F, F,
          references=TRAINED),
    Trace("missing inputs are outliers where training has none", OUTSIDE,
          fed(1, 1_000, 0.0, 100), F, F, references=TRAINED),
    Trace("missing inputs are no outliers where training has some", OUTSIDE,
          fed(1, 1_000, 0.0, 100), P, P, references=GAPPED),
    Trace("outliers are no more than stable has", replace(OUTSIDE, relative=True, most=1.5),
          fed(1, 1_000, 2.5) + fed(30, 2_000, 2.5, version="1"), P, P, references=TRAINED),
    Trace("outliers are more than stable has", replace(OUTSIDE, relative=True, most=1.5),
          fed(1, 1_000, 2.5) + fed(30, 2_000, 1.5, version="1"), F, F, references=TRAINED),
    Trace("outliers without a sample to hold them against are no data", OUTSIDE,
          fed(1, 500, 0.0), N, N),
    # pairs
    Trace("a shadow that agrees passes", DISAGREE, shadowed(500, 0.0, 5), P, P),
    Trace("a shadow that often disagrees fails", DISAGREE, shadowed(500, 0.0, 100), F, F),
    Trace("a shadow that shifts little passes", SHIFT, shadowed(500, 0.1, 500), P, P),
    Trace("a shadow that shifts up fails", SHIFT, shadowed(500, 0.8, 500), F, F),
    Trace("a shadow that shifts down fails", SHIFT, shadowed(500, -0.8, 500), F, F),
    Trace("a shadow of few events waits", SHIFT, shadowed(100, 0.8, 100), T, T),
    Trace("a shadow without pairs is no data", SHIFT,
          [window("2", p, events=500, role=Role.SHADOW) for p in MINUTE], N, N),
    Trace("a shadow's mean over the live one's is limited", replace(
              SHIFT, relative=True, most=1.05, least=0.95), shadowed(500, 1.0, 500), F, F),
    Trace("a shadow that is often NaN is no data", SHIFT,
          rotten(shadowed(500, 0.0, 500, odd=50), 50, 0), N, N),
    Trace("a shadow that is as often NaN as live passes", SHIFT,
          rotten(shadowed(500, 0.0, 500, odd=50), 50, 50), P, P),
    Trace("a mean below 0 that is stable's passes", NEAR,
          shadowed(500, 0.0, 500, live=-10.0), P, P),
    Trace("a mean below 0 that is higher than stable's fails", NEAR,
          shadowed(500, 1.0, 500, live=-10.0), F, F),
    Trace("a mean below 0 that is lower than stable's fails", NEAR,
          shadowed(500, -1.0, 500, live=-10.0), F, F),
    # labels
    Trace("labels that fit as well pass", LOSS,
          labelled("2", 1, 500, 1.5, MINUTE) + labelled("1", 200, 5_000, 1.5, MINUTE), P, P),
    Trace("a larger loss fails", LOSS,
          labelled("2", 1, 500, 0.2, MINUTE) + labelled("1", 200, 5_000, 1.5, MINUTE), F, F),
    Trace("a larger squared error fails", BRIER, labelled("2", 1, 1_000, 0.1, MINUTE), F, F),
    Trace("a larger absolute error fails", MAE,
          labelled("2", 1, 500, 0.2, MINUTE) + labelled("1", 200, 5_000, 1.5, MINUTE), F, F),
    Trace("scores that rank well pass", AUC, labelled("2", 1, 500, 2.0, MINUTE), P, P),
    Trace("scores that rank like dice fail", AUC, labelled("2", 1, 500, 0.1, MINUTE), F, F),
    Trace("calibrated scores pass", CALIBRATED, labelled("2", 1, 500, 1.5, MINUTE), P, P),
    Trace("overconfident scores fail", CALIBRATED, overconfident(500, MINUTE), F, F),
    Trace("a larger loss of a share that grows in a worse hour blames nobody", LOSS,
          hours((100, 2_000), (5_000, 500)), P, P),
    Trace("ranks of a share that grows in a worse hour blame nobody",
          replace(AUC, relative=True, least=0.95), hours((100, 2_000), (5_000, 500)), P, P),
    Trace("scores of a share that grows in a worse hour are as calibrated",
          replace(CALIBRATED, relative=True, most=1.2),
          labelled("2", 1, 400, 1.5, MINUTE) + labelled("1", 200, 5_000, 1.5, MINUTE)
          + overconfident(5_000, range(6, 12)) + overconfident(400, range(6, 12), "1"), P, P),
    Trace("ranks of a few positives prove nothing", AUC, rare(1), T, T),
    Trace("ranks of many positives prove it", AUC, rare(100), F, F),
    Trace("scores that are often NaN cannot hide behind labels", LOSS,
          with_odd(also_scored(labelled("2", 1, 500, 1.5, MINUTE)), 100)
          + also_scored(labelled("1", 200, 5_000, 1.5, MINUTE)), N, N),
    Trace("scores that are often no probability cannot hide behind the others", LOSS,
          unlabelled(labelled("2", 1, 500, 1.5, range(36)), 30)
          + labelled("1", 200, 600, 1.5, range(36)), N, F),
    Trace("a label that is no 0 or 1 blames nobody", LOSS,
          unlabelled(labelled("2", 1, 500, 1.5, MINUTE), 1)
          + labelled("1", 200, 5_000, 1.5, MINUTE), P, P),
    Trace("labels that never come wait", LOSS, both(FINE, STABLE), T, T),
    Trace("labels that are not mature do not count", replace(LOSS, maturity=3_600_000),
          labelled("2", 1, 500, 0.2, MINUTE) + labelled("1", 200, 5_000, 1.5, MINUTE), T, T),
    Trace("labels count once they are mature", replace(LOSS, maturity=30_000),
          labelled("2", 1, 500, 0.2, MINUTE) + labelled("1", 200, 5_000, 1.5, MINUTE)
          + counts("1", [None] * 6 + [(1, 0)] * 3), F, F),
    # events a second
    Trace("as many events as expected pass", replace(RATE, min_samples=100),
          counts("2", [(600, 0)] * 6), P, P),
    Trace("too few events a second fail", replace(RATE, min_samples=100),
          counts("2", [(300, 0)] * 6), F, F),
    Trace("a first window of which a part was before counts for nothing",
          replace(RATE, min_samples=100), counts("2", [(100, 0)] + [(550, 0)] * 4), P, P),
    Trace("windows of labels and of two revisions are no time of their own",
          replace(RATE, min_samples=100),
          counts("2", [(600, 0)] * 6) + [replace(window("2"), span=60_000)]
          + [replace(one, revision=3) for one in counts("1", [(600, 0)] * 6)], P, P),
    Trace("time without events counts", replace(RATE, min_samples=100),
          counts("2", [(600, 0)] * 3 + [None] * 14 + [(600, 0)]), F, F),
    # sources outside
    Trace("an answer within the limit passes", ASKED, [], P, P, readings=asked(0.01)),
    Trace("an answer beyond the limit fails", ASKED, [], F, F, readings=asked(0.03)),
    Trace("no answer is no data", ASKED, [], N, N, readings=asked(None)),
    Trace("NaN is no data", ASKED, [], N, N, readings=asked(math.nan)),
    Trace("infinity is no data", ASKED, [], N, N, readings=asked(math.inf)),
    Trace("no answer five times in a row fails", ASKED, [], N, F,
          readings=asked(*[None] * 5)),
    Trace("an answer behind four without passes", ASKED, [], P, P,
          readings=asked(None, None, None, None, 0.01)),
    Trace("an answer that is old is no data", ASKED, [], N, N, readings=asked(0.01),
          quiet=65_000),
    Trace("a source that was never asked is no data", ASKED, [], N, N, quiet=70_000),
    Trace("answers that flap fail by the first", ASKED, [], P, F,
          readings=asked(0.01, 0.03, 0.01)),
    Trace("answers that flap within failure_limit pass", replace(ASKED, failure_limit=1), [],
          P, P, readings=asked(0.01, 0.03, 0.01)),
    Trace("an answer to another metric is no data", ASKED, [], N, N,
          readings=(Reading("other", T0 + 1, 0.01),), quiet=70_000),
]  # fmt: skip
