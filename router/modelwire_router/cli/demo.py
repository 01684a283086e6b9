"""The verb that shows it all: real flights, versions that change under them."""

import tempfile
from pathlib import Path

import click

from modelwire_log.contract import Log
from modelwire_log.open import open_log
from modelwire_router.cli.session import Session
from modelwire_schemas.errors import Rejected

NAMES = ("canary", "shadow", "ab", "bluegreen", "rolling")


@click.command()
@click.option("--kafka", is_flag=True, help="On the Kafka of --log, with topics of its own.")
@click.option(
    "--story", type=click.Choice(NAMES), default=NAMES[0], show_default=True, help="What is played."
)
@click.option("--rate", type=int, help="Events a second; by default as the story needs.")
@click.option("--events", type=int, help="Only so many flights; by default all 50,018.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where it plays; by default a new one."
)
@click.pass_obj
def demo(
    session: Session,
    kafka: bool,
    story: str,
    rate: int | None,
    events: int | None,
    folder: Path | None,
) -> int:
    """Play releases on real flights: a good version goes on, a broken one goes back.

    canary: one plan for a good version and a broken one. shadow: a broken one is found out before
    it answers. ab: an experiment on long flights. bluegreen: everything at once, after a look.
    rolling: partition by partition. The exit code is 1 when the log shows something else.
    """
    from modelwire_router.demo.play import Demo, next_commands
    from modelwire_router.demo.stage import Stage

    place = folder or Path(tempfile.mkdtemp(prefix="modelwire-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    url = _url(session, place, kafka=kafka)
    session.say(f"the log is {url}; what the processes say is in {place}")
    stage = Stage(url, place, rate, events)
    with open_log(url) as log:
        if kafka:
            _make_topics(log)
        played = Demo(stage, log, story).play(next_commands(url))
    return 1 if played.faults else 0


def _url(session: Session, place: Path, *, kafka: bool) -> str:
    if not kafka:
        return f"sqlite:///{place / 'demo.db'}"
    if not session.url.startswith("kafka:"):
        raise Rejected(
            "E_CONFIG", "--kafka needs a broker", expected="--log kafka://host:port", todo=""
        )
    return session.url


def _make_topics(log: Log) -> None:
    from modelwire_log.kafka.log import KafkaLog
    from modelwire_log.kafka.setup import BROKERS_OWN, create_topics
    from modelwire_router.demo.stage import NAMESPACE, PARTITIONS, STREAMS

    assert isinstance(log, KafkaLog)  # noqa: S101  the URL says so
    create_topics(log, NAMESPACE)
    # By the log's clock, so that the summary can say how long an event was on its way.
    by_the_log = {"message.timestamp.type": "LogAppendTime"}
    for stream in STREAMS:
        log.session().admin.create(stream, PARTITIONS, BROKERS_OWN, by_the_log)
