"""Windows: cumulative, told when they changed, dropped when they are long over."""

import numpy as np

from modelwire.reporting.recorder import (
    MOST_GONE,
    MOST_WINDOWS,
    WAITING,
    Changed,
    Recorder,
    Windows,
)
from modelwire.reporting.scored import Scored
from modelwire.reporting.spans import FOR_EVER, MOST_AT_ONCE, SPANS, windows_of
from modelwire.reporting.telemetry import ITEMS, parts
from modelwire.serving.answer import Answers, Provenance
from modelwire_schemas.telemetry import Bin, Moments, Output, Role, Sketch, Window, WindowKey


def key(number: int = 0, route: str = "late") -> WindowKey:
    return WindowKey(route, "late", "1", "stable", Role.LIVE, 1, number * 10_000, 10_000)


class Events:
    """So many events of one window."""

    def __init__(self, size: int, number: int = 0) -> None:
        self.size = size
        self.number = number

    def add_to(self, windows: Windows) -> None:
        windows.window(key(self.number), self.size).routed += self.size


def told(recorder: Recorder) -> dict[WindowKey, int]:
    changed = recorder.changed()
    recorder.tell(changed)
    return {one.key: one.window.routed for one in changed}


def test_reports_are_cumulative_and_only_of_what_changed() -> None:
    recorder = Recorder()
    recorder.note(Events(3))
    recorder.note(Events(2, 1))
    assert told(recorder) == {key(): 3, key(1): 2}
    assert told(recorder) == {}
    recorder.note(Events(4))
    assert told(recorder) == {key(): 7}


def test_what_could_not_be_told_is_told_later_with_what_came_since() -> None:
    recorder = Recorder()
    recorder.note(Events(3))
    lost = recorder.changed()
    recorder.note(Events(1))
    recorder.tell(())
    assert lost[0].window.routed == 3
    assert told(recorder) == {key(): 4}


def test_a_change_between_a_report_and_its_receipt_is_told_next() -> None:
    recorder = Recorder()
    recorder.note(Events(3))
    changed = recorder.changed()
    recorder.note(Events(1))
    recorder.changed()
    recorder.tell(changed)
    assert told(recorder) == {key(): 4}


def test_who_notes_too_much_adds_it_up_himself() -> None:
    recorder = Recorder()
    counted: list[int] = []

    class Counted(Events):
        def add_to(self, windows: Windows) -> None:
            super().add_to(windows)
            counted.append(self.size)

    recorder.note(Counted(WAITING))
    assert counted == []
    recorder.note(Counted(1))
    assert counted == [WAITING, 1]


def test_memory_is_bounded_and_what_is_dropped_is_never_told_again_with_less() -> None:
    recorder = Recorder()
    for number in range(MOST_WINDOWS + 5):
        recorder.note(Events(1, number))
    told(recorder)
    for number in range(MOST_WINDOWS + 5):
        recorder.note(Events(1, number))
    again = told(recorder)
    assert set(again.values()) == {2}
    assert len(again) == MOST_WINDOWS
    assert recorder.lost == 5


def test_windows_that_cannot_be_told_are_dropped_at_last() -> None:
    windows = Windows()
    for number in range(5 * MOST_WINDOWS):
        windows.window(key(number), 1)
        windows.tell(())
    assert len(windows) == 4 * MOST_WINDOWS
    assert MOST_GONE > MOST_WINDOWS


def test_nothing_is_noted_where_telemetry_is_off() -> None:
    recorder = Recorder(on=False)
    recorder.note(Events(3))
    assert recorder.changed() == []
    assert not recorder.anew().on


def test_events_near_each_other_share_windows_of_ten_seconds() -> None:
    assert windows_of([20_000, 29_999, 25_000]) == (None, 20_000, 10_000)
    starts, first, span = windows_of([29_999, 30_000])
    assert starts is not None
    assert (starts.tolist(), first, span) == ([20_000, 30_000], 20_000, 10_000)


def test_events_spread_thin_share_longer_windows() -> None:
    for high in (10**5, 10**7, 10**9, 10**11, 10**13, 2**60):
        starts, first, span = windows_of([0, high])
        assert span in (*SPANS, FOR_EVER)
        assert first == 0
        assert starts is None or starts[-1] // span < MOST_AT_ONCE


def test_times_before_1970_count_as_1970() -> None:
    assert windows_of([-5, 3]) == (None, 0, 10_000)


def test_one_record_holds_windows_of_one_route_and_not_too_many() -> None:
    sketch = Sketch(Moments(500), tuple(Bin(index, 1) for index in range(500)))
    changed = [
        Changed(key(n, route), 1, Window(*key(n, route), outputs=(Output("late", sketch),)))
        for n in range(30)
        for route in ("late", "early")
    ]
    found = list(parts(changed))
    assert sorted(one.key for part in found for one in part) == sorted(c.key for c in changed)
    for part in found:
        assert len({one.key.route for one in part}) == 1
        assert sum(len(one.window.outputs[0].sketch.bins) for one in part) <= ITEMS
    assert len(found) == 4


def test_rows_of_one_run_share_its_time() -> None:
    """Four rows took 8 ms, and two others 1 ms: 2,000 and 500 µs each."""
    provenances = tuple(
        Provenance(
            "late", "late", v, "", v, "all", 1, "split", 7, routed_to=v, served_by=v, stale=False
        )
        for v in "12"
    )
    which, took = [0, 0, 1, 0, 1, 0], (8_000_000, 1_000_000)
    answers = Answers([np.zeros(6)], ["late"], 6, provenances, which, took=took)
    recorder = Recorder()
    recorder.note(Scored(answers, [0] * 6))
    latency = {w.key.version: w.window.latency.moments for w in recorder.changed()}
    assert {version: (m.count, m.mean) for version, m in latency.items()} == {
        "1": (4, 2_000.0),
        "2": (2, 500.0),
    }
