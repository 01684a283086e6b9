"""A schedule: everything that happens in one run follows from its seed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from modelwire_log.contract import Place
from tests.simulation.consumer import Consumer, Habits, Shared
from tests.simulation.people import People
from tests.simulation.product import SHIPPED, Product
from tests.simulation.stream import Stream
from tests.simulation.virtual_log import Control
from tests.simulation.world import BEGIN, BrokerClock, World

MARGIN = 150
"""Ms that the product allows for: a record that comes late to sight, and two clocks that differ."""

_LATEST_SIGHT, _MOST_OFF = 70, 40
_CALM = 60_000
"""Ms after the last disturbance by which everything must be done."""

_LATE_READERS = 1_500
"""Ms in which everyone who missed something reads it, and looks back."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a schedule."""

    seed: int
    within_margin: bool
    people: People
    stream: Stream
    shared: Shared
    story: list[str]


class Schedule:
    """One run: some changes a second, events around them, and whatever may go wrong meanwhile."""

    def __init__(self, seed: int, product: Product = SHIPPED, *, within_margin: bool) -> None:
        self._world = world = World(seed)
        random = world.random
        self._seed = seed
        self._within_margin = within_margin
        self._duration = random.randint(2_500, 5_000)
        worse = 1 if within_margin else 8
        most_off = _MOST_OFF * worse
        clock = BrokerClock(world, most_off, random.randint(0, 12), self._duration)
        fleet = clock
        if world.chance(0.3):
            fleet = BrokerClock(world, most_off, random.randint(0, 2), self._duration)
        control = Control(world, clock, _LATEST_SIGHT * worse)
        business = world.chance(0.3)
        self._stream = Stream(world, control, random.randint(1, 3), business)
        self._people = People(world, control, product, "dep" if business else "")
        self._shared = Shared(world, control, fleet, self._stream, product, self._people.accepted)
        self._cuts = world.chance(0.2)
        names = [f"consumer {n}" for n in range(random.randint(2, 3))]
        exactly_once = world.chance(0.5)
        self._habits = {name: self._habit(exactly_once) for name in names}
        self._living: dict[str, Consumer] = {}

    def run(self) -> Run:
        """Play the schedule to its end, and return what became of it."""
        world, end = self._world, BEGIN + self._duration
        self._plan()
        world.run(end)
        self._calm_down()
        while not self._stream.done and world.now < end + _CALM:
            world.run(world.now + 50)
        if not self._within_margin:
            world.run(world.now + _LATE_READERS)
        shared = self._shared
        return Run(self._seed, self._within_margin, self._people, self._stream, shared, world.story)

    def _habit(self, exactly_once: bool) -> Habits:  # noqa: FBT001
        random = self._world.random
        return Habits(
            poll=random.choice([40, 100, 100, 250, 700]),
            step=random.choice([20, 60, 150]),
            receipt=random.choice([150, 400, 1_000]),
            slowest=random.choice([5, 40, 120]),
            batch=random.choice([1, 5, 30]),
            margin=MARGIN,
            exactly_once=exactly_once,
            keeps_state=self._cuts,
        )

    def _plan(self) -> None:
        world, random = self._world, self._world.random
        world.after(0, self._people.begin)
        self._some_times(random.randint(4, 12), self._act)
        self._some_times(random.randint(20, 60), self._stream.event)
        for name in self._habits:
            world.after(world.upto(400), partial(self._live, name, b""))
        for place in self._stream.records:
            world.after(world.upto(400), partial(self._give, place))
            self._some_times(random.choice([0, 1, 2, 4]), partial(self._give, place))
        self._some_times(random.choice([0, 0, 1, 2]), self._crash)
        self._some_times(random.choice([0, 1, 3]), self._sleep)
        self._some_times(2 * self._cuts, self._cut)

    def _some_times(self, count: int, what: Callable[[], None]) -> None:
        """Have something done at random times."""
        for _ in range(count):
            self._world.after(self._world.random.randrange(self._duration), what)

    def _act(self) -> None:
        """Have an operator act; often another one does so at almost the same time."""
        self._people.act()
        if self._world.chance(0.4):
            self._world.after(self._world.upto(60), self._people.act)
        for _ in range(2):
            self._world.after(self._world.upto(400), self._stream.event)

    def _live(self, name: str, kept: bytes) -> None:
        self._living[name] = Consumer(name, self._shared, self._habits[name], kept)

    def _give(self, place: Place) -> None:
        """Give a partition to a member; the one that had it hears of that later."""
        world = self._world
        if not self._living:
            world.after(50, lambda: self._give(place))
            return
        name = world.random.choice(sorted(self._living))
        before = self._stream.owners.get(place)
        self._stream.owners[place] = name
        self._living[name].take_over(place)
        if before is not None and before != name:
            world.after(world.upto(300), lambda: self._take_away(before, place))

    def _take_away(self, name: str, place: Place) -> None:
        if name in self._living and self._stream.owners[place] != name:
            self._living[name].lanes.pop(place, None)

    def _crash(self) -> None:
        """Kill a member; others get its partitions, and it comes back with its cache."""
        if not self._living:
            return
        world = self._world
        name = world.random.choice(sorted(self._living))
        kept = self._living.pop(name).crash()
        for place, owner in self._stream.owners.items():
            if owner == name:
                world.after(world.upto(400), partial(self._give, place))
        world.after(world.upto(500), lambda: self._live(name, kept))

    def _sleep(self) -> None:
        """Let a member stand still, somewhere within what it is doing."""
        member = self._any()
        if member is not None:
            asleep = self._world.random.randint(100, 1_200)
            if self._world.chance(0.5):
                member.asleep = asleep
            else:
                member.line.asleep = asleep

    def _cut(self) -> None:
        member = self._any()
        if member is not None:
            member.line.cut_until = self._world.now + self._world.random.randint(300, 2_800)

    def _any(self) -> Consumer | None:
        names = sorted(self._living)
        return self._living[self._world.random.choice(names)] if names else None

    def _calm_down(self) -> None:
        for member in self._living.values():
            member.line.cut_until = 0
