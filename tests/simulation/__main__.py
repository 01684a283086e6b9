"""Replay one schedule and tell its story: `python -m tests.simulation 4711`."""

import argparse

from tests.simulation.check import faults
from tests.simulation.planted import PLANTED
from tests.simulation.product import SHIPPED
from tests.simulation.runs import late, play


def main() -> int:
    """Print what happened in a schedule and what does not hold; exit with 1 if anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--planted", choices=sorted(PLANTED), help="revert a rule on purpose")
    given = parser.parse_args()
    product = PLANTED[given.planted].product if given.planted else SHIPPED
    run = play(given.seed, product)
    found = faults(run)
    margin = "beyond" if late(given.seed) else "within"
    told = [*run.story, f"delays {margin} the margin", *(found or ["everything holds"])]
    print("\n".join(told))  # noqa: T201
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
