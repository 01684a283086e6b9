"""Where the newest snapshot is: the event path reads it, others wait for it to move."""

import threading
from collections.abc import Callable

from modelwire.clock import Clock
from modelwire.control.state import State
from modelwire.reporting.calls import Calls
from modelwire.reporting.counters import Tally
from modelwire.reporting.recorder import Recorder
from modelwire.serving.shadowing import Shadows
from modelwire.serving.snapshot import Snapshot


class Live:
    """The newest snapshot, and what is counted on the event path.

    Reading `snapshot` takes no lock. `replace` is one assignment and wakes those who wait.
    """

    def __init__(self, clock: Clock) -> None:
        self.monotonic_ns = clock.monotonic_ns
        self.snapshot = _nothing()
        self.tally = Tally()
        self.recorder = Recorder()
        self.shadows = Shadows(self.recorder)
        self._moved = threading.Condition()

    def present(self, snapshot: Snapshot) -> int:
        """Return the log's time now (ms), as far as a snapshot knows it."""
        return (self.monotonic_ns() + snapshot.skew_ns) // 1_000_000

    def collect(self) -> None:
        """Note what applications called for since this was asked last."""
        snapshot = self.snapshot
        now = self.present(snapshot)
        for servable in snapshot.warm.values():
            for belongs, count in servable.collect():
                self.recorder.note(Calls(belongs, now, count, {}, count))

    def replace(self, snapshot: Snapshot) -> None:
        """Swap the snapshot."""
        self.snapshot = snapshot
        with self._moved:
            self._moved.notify_all()

    def wait_for(self, reached: Callable[[Snapshot], bool], timeout: float) -> bool:
        """Wait until a snapshot fulfils `reached`; False after `timeout` seconds."""
        with self._moved:
            return self._moved.wait_for(lambda: reached(self.snapshot), timeout)

    def after_fork(self) -> None:
        """Forget the parent's versions and whoever held the lock; called in the child."""
        self._moved = threading.Condition()
        self.recorder = self.recorder.anew()
        self.shadows = Shadows(self.recorder)
        self.snapshot = _nothing()


def _nothing() -> Snapshot:
    return Snapshot(State(), State().earliest, {}, {}, 0)
