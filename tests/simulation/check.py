"""What must hold after a schedule, whatever went wrong in it."""

from collections.abc import Iterator
from itertools import pairwise

from modelwire.control.history import in_force_then
from modelwire.control.state import Accepted
from modelwire_log.contract import Place
from tests.simulation.schedule import Run
from tests.simulation.stream import STREAM, Scoring


def faults(run: Run) -> list[str]:
    """Return what does not hold; empty after a good run."""
    found = [f for scoring in run.stream.outputs for f in _replay(run, scoring)]
    found += [*_rollbacks(run), *_losses(run)]
    found += [f"R26: {text}" for text in run.people.moved]
    overlooked = run.shared.overlooked
    if run.within_margin:
        found += [f for scoring in run.stream.outputs for f in _settled(run, scoring)]
        found += _agreement(run)
        found += [f"R12: reported {text}" for text in overlooked]
    elif not overlooked:
        wrong = [f for scoring in run.stream.committed for f in _settled(run, scoring)]
        found += [f"R12: silent about {f}" for f in wrong]
    return found


def _replay(run: Run, scoring: Scoring) -> Iterator[str]:
    """With the recorded control offset a replay is exact, settled or not."""
    then = in_force_then(run.shared.accepted, scoring.record.timestamp, scoring.bt, scoring.control)
    if then is None or then.revision != scoring.revision:
        yield f"R11 replay: {told(scoring)}, and its offset gives {then and then.revision}"
    elif run.shared.version(then, scoring.record) != scoring.version:
        yield f"R11 replay: {told(scoring)}, and its document gives another version"


def _settled(run: Run, scoring: Scoring) -> Iterator[str]:
    """No document that was not yet read counts for a settled event, but for one at once."""
    if not scoring.settled:
        return
    counted = [a for a in run.shared.accepted if not a.at_once or a.offset <= scoring.control]
    whole = in_force_then(counted, scoring.record.timestamp, scoring.bt, 10**9)
    if whole is None or whole.revision != scoring.revision:
        yield f"R11 settled: {told(scoring)}, and the whole log gives {whole and whole.revision}"


def _agreement(run: Run) -> Iterator[str]:
    """Settled scorings of one event agree, unless a change at once came in between."""
    at_once = [a for a in run.shared.accepted if a.at_once]
    first: dict[tuple[int, int], Scoring] = {}
    for scoring in run.stream.outputs:
        if not scoring.settled:
            continue
        other = first.setdefault((scoring.record.partition, scoring.record.offset), scoring)
        low, high = sorted((scoring.control, other.control))
        if other.version != scoring.version and not _any_between(at_once, low, high):
            yield f"R11 agreement: {told(scoring)} and {told(other)}"


def _any_between(accepted: list[Accepted], low: int, high: int) -> bool:
    return any(low < a.offset <= high for a in accepted)


def _rollbacks(run: Run) -> Iterator[str]:
    """Along a partition the control offset of what is committed never falls."""
    for place in run.stream.records:
        committed = [s for s in run.stream.committed if s.record.partition == place.partition]
        for before, after in pairwise(committed):
            if after.control < before.control:
                yield f"R13: {told(after)} behind {told(before)}"


def _losses(run: Run) -> Iterator[str]:
    """Every event is committed, each once and in order."""
    for place, records in run.stream.records.items():
        committed = [s for s in run.stream.committed if s.record.partition == place.partition]
        offsets = [s.record.offset for s in committed]
        if offsets != list(range(len(records))):
            yield f"lost or doubled in {place}: {len(records)} events, committed {offsets}"


def told(scoring: Scoring) -> str:
    """Return a scoring in one line."""
    place, record = Place(STREAM, scoring.record.partition), scoring.record
    return (
        f"{place}@{record.offset} ts {record.timestamp} bt {scoring.bt} by {scoring.consumer} "
        f"under c {scoring.control}: revision {scoring.revision}"
    )
