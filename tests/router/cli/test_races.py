"""Two operators who change one route from the same revision: one wins, the other is told who."""

from contextlib import ExitStack

import pytest

from tests.processes import Running, python, running
from tests.router.cli.desk import Desk
from tests.router.cli.racer import race

RACES = 100
NAMES = ("ada", "bob")
TEXT = "{route: flights-late, rules: [{variants: [{version: '%s'}]}]}"


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.system)])
def place(request: pytest.FixtureRequest, desk: Desk) -> Desk:
    """Return a terminal on a log of each kind, with a route at revision 1."""
    made = desk
    if request.param == "kafka":
        made = Desk(desk.folder, request.getfixturevalue("kafka_broker").url, "races")
        made.ok("topics", "create")
    made.publish("1", "2")
    made.ok("flip", "flights-late", "1")
    return made


@pytest.mark.timeout(120)
def test_a_hundred_races_have_one_winner_each(place: Desk) -> None:
    with ExitStack() as stack:
        operators: dict[str, Running] = {}
        for name, version in zip(NAMES, "12", strict=True):
            file = place.write(f"{name}.yaml", TEXT % version)
            words = {"LOGNAME": name, "MODELWIRE_NAMESPACE": place.namespace}
            process = running(*python(race, place.url, file), **words)
            operators[name] = stack.enter_context(process)
        for operator in operators.values():
            assert operator.hear() == "ready"
        for revision in range(1, RACES + 1):
            for operator in operators.values():
                operator.tell(str(revision))
            heard = {name: operator.hear() for name, operator in operators.items()}
            (winner,) = [name for name, said in heard.items() if said == "0"]
            (loser,) = set(NAMES) - {winner}
            assert heard[loser].startswith("4 E_CONFLICT: ")
            assert winner in heard[loser]
    assert place.data("status")[0]["revision"] == RACES + 1
