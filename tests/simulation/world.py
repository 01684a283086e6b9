"""Virtual time: what happens when, and the clocks that people and machines read."""

import heapq
from bisect import bisect
from collections.abc import Callable
from random import Random

BEGIN = 1_700_000_000_000
"""The true time (ms) at which every schedule begins."""


class World:
    """Runs what is due, in order of time. `now` is the true time in ms, which nobody can read."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311
        self.now = BEGIN
        self.story: list[str] = []
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, time: int, what: Callable[[], None]) -> None:
        """Have something done at a true time, or as soon as possible behind it."""
        self._count += 1
        heapq.heappush(self._due, (time, self._count, what))

    def after(self, ms: int, what: Callable[[], None]) -> None:
        """Have something done in so many ms."""
        self.at(self.now + ms, what)

    def run(self, until: int) -> None:
        """Do everything that is due up to a time."""
        while self._due and self._due[0][0] <= until:
            time, _, what = heapq.heappop(self._due)
            self.now = max(self.now, time)
            what()
        self.now = max(self.now, until)

    def spend(self, ms: int) -> None:
        """Let time pass within a call: the rest of the world goes on meanwhile."""
        if ms > 0:
            self.run(self.now + ms)

    def upto(self, most: int, least: int = 0) -> int:
        """Return a random number of ms; often a small one."""
        share = self.random.random() ** 2
        return least + int(share * (most - least + 1))

    def chance(self, share: float) -> bool:
        """Return True in so many cases out of one."""
        return self.random.random() < share

    def tell(self, text: str) -> None:
        """Add a line to the story that a failure prints."""
        self.story.append(f"{self.now - BEGIN:>6} {text}")


class BrokerClock:
    """A log's clock: with every new leader it is off by something else."""

    def __init__(self, world: World, most_off: int, leaders: int, duration: int) -> None:
        random = world.random
        self._world = world
        self._since = sorted(BEGIN + random.randrange(duration) for _ in range(leaders))
        self._off = [random.randint(-most_off, most_off) for _ in range(leaders + 1)]

    def now(self) -> int:
        """Return the time by which the log says when it took a record; it may step back."""
        return self._world.now + self._off[bisect(self._since, self._world.now)]


class MachineClock:
    """A consumer's clocks: the monotonic one begins anywhere, the wall clock may be wrong."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = BEGIN - world.random.randrange(10**9)
        self._wrong = world.random.randint(-5_000, 5_000)

    def now(self) -> int:
        """Return the wall time (ms)."""
        return self._world.now + self._wrong

    def monotonic_ns(self) -> int:
        """Return a time in ns that never falls."""
        return (self._world.now - self._began) * 1_000_000
