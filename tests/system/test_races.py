"""Two operators change one route from the same revision: one wins, the other is told who did."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire_log.contract import Log
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.setup import create_topics
from modelwire_log.open import open_log
from tests.consumer_sdk.control.making import MODEL, ROUTE, change, document, release
from tests.processes import Running, modelwire, python, running
from tests.system.broker import Broker
from tests.system.racers import race

RACES = 100
BY_COMMAND = 5
OPERATORS = ("ann", "bob")


class Field:
    """A log with a route in it, and two operators who look at it."""

    def __init__(self, url: str, log: Log, namespace: str) -> None:
        self.url = url
        self.log = log
        self.namespace = namespace
        self.revision = 1
        for body in (release("1"), release("2"), change("1", 0)):
            submit(log, namespace, body, By("eve")).verdict.check()

    def head(self) -> tuple[int, str, int]:
        head = fold_log(self.log, self.namespace).routes[ROUTE].head
        return head.revision, head.author, head.offset


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Field]:
    url = f"sqlite:///{tmp_path / 'flights.db'}"
    with open_log(url) as log:
        yield Field(url, log, "prod")


@pytest.fixture
def on_kafka(kafka_broker: Broker) -> Iterator[Field]:
    namespace = f"races-{uuid.uuid4().hex[:8]}"
    with KafkaLog(kafka_broker.url) as log:
        create_topics(log, namespace, 1)
        yield Field(kafka_broker.url, log, namespace)


def one_race(field: Field, operators: list[Running], number: int) -> str:
    """Have both change the route at the same time; return who won."""
    for operator in operators:
        operator.tell(f"{2 - number % 2} {field.revision}")
    assert [operator.hear() for operator in operators] == ["looked", "looked"]
    for operator in operators[:: 1 - 2 * (number % 2)]:
        operator.tell("go")
    said = [operator.hear().split(maxsplit=2) for operator in operators]
    codes = [code for code, *_ in said]
    assert sorted(codes) == ["E_CONFLICT", "won"], said
    first = codes.index("won")
    winner, (_, offset, *_) = OPERATORS[first], said[first]
    assert said[1 - first][2] == f"{winner} at offset {offset}: a race"
    field.revision += 1
    return winner


def hold_races(field: Field) -> None:
    with ExitStack() as stack:
        commands = [python(race, field.url, field.namespace, name) for name in OPERATORS]
        operators = [stack.enter_context(running(*command)) for command in commands]
        assert [operator.hear() for operator in operators] == ["ready", "ready"]
        winners = [one_race(field, operators, number) for number in range(RACES)]
    assert set(winners) == set(OPERATORS)
    assert field.head()[:2] == (RACES + 1, winners[-1])


def race_by_command(field: Field, folder: Path) -> None:
    """Two command lines apply a document from the same revision: exit codes 0 and 4."""
    for revision in range(1, BY_COMMAND + 1):
        paths = [written(folder / f"{name}.yaml", revision) for name in OPERATORS]
        with ExitStack() as stack:
            started = [
                stack.enter_context(
                    running(
                        *modelwire("--log", field.url, "--namespace", field.namespace),
                        *("apply", "-f", path, "--expect-revision", str(revision)),
                        LOGNAME=name,
                    )
                )
                for name, path in zip(OPERATORS, paths, strict=True)
            ]
            ended = [process.end() for process in started]
        codes = [code for code, _, _ in ended]
        assert sorted(codes) == [0, 4], ended
        found, winner, offset = field.head()
        assert (found, winner) == (revision + 1, OPERATORS[codes.index(0)])
        _, out, err = ended[codes.index(4)]
        assert f"{winner} at offset {offset}" in err
        assert "Traceback" not in out + err


def written(path: Path, revision: int) -> str:
    version = document("1" if revision % 2 else "2").versions()[0]
    path.write_text(yaml.safe_dump(routed(version)))
    return str(path)


def routed(version: str) -> dict[str, object]:
    """Return a document as an operator writes it."""
    return {
        "route": ROUTE,
        "model": MODEL,
        "rules": [
            {
                "name": "all",
                "split": {"by": "key", "salt": "s"},
                "variants": [{"name": version, "version": version, "weight": 100}],
            }
        ],
    }


@pytest.mark.timeout(120)
def test_of_two_operators_on_sqlite_one_wins_every_time(on_sqlite: Field) -> None:
    hold_races(on_sqlite)


@pytest.mark.system
@pytest.mark.timeout(180)
def test_of_two_operators_on_kafka_one_wins_every_time(on_kafka: Field) -> None:
    hold_races(on_kafka)


@pytest.mark.timeout(120)
def test_the_command_that_lost_exits_with_4_and_names_the_winner(
    on_sqlite: Field, tmp_path: Path
) -> None:
    race_by_command(on_sqlite, tmp_path)


@pytest.mark.system
@pytest.mark.timeout(180)
def test_the_command_that_lost_on_kafka_exits_with_4_and_names_the_winner(
    on_kafka: Field, tmp_path: Path
) -> None:
    race_by_command(on_kafka, tmp_path)
