"""Processes that the tests of the SDK start beside themselves."""

from pathlib import Path

from tests.processes import say
from tests.world import ROUTE, world_on


def flip(url: str, count: str, *versions: str) -> None:
    """Flip a route through versions, `count` times."""
    with world_on(url, Path()) as world:
        for n in range(int(count)):
            world.flip(versions[n % len(versions)])
        say(world.state().routes[ROUTE].head.document.sole_version())
