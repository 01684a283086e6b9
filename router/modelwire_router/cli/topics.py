"""Verbs on Kafka's topics: make them, check them, print the commands that make them."""

import click

from modelwire_router.cli.session import Session


@click.group()
def topics() -> None:
    """Make and check the topics of a namespace; on SQLite streams make themselves."""


@topics.command()
@click.argument("streams", nargs=-1)
@click.option("--partitions", type=int, default=4, show_default=True, help="Of each STREAM.")
@click.option("--replication", type=int, default=-1, help="By default what the brokers give.")
@click.pass_obj
def create(session: Session, streams: tuple[str, ...], partitions: int, replication: int) -> None:
    """Make the namespace's own topics, and STREAMS of yours."""
    log = session.log()
    if log.capabilities.makes_streams:
        for stream in streams:
            log.create(stream, partitions)
        session.say(f"{session.url} needs no topics; streams: {', '.join(streams) or 'none'}")
        return
    from modelwire_log.kafka.log import KafkaLog
    from modelwire_log.kafka.setup import create_topics

    assert isinstance(log, KafkaLog)  # noqa: S101  the one keeper that makes no streams
    made = create_topics(log, session.namespace, replication)
    for stream in streams:
        if stream not in log.streams():
            log.create(stream, partitions)
            made.append(stream)
    session.table([{"made": name} for name in made], ["made"])
    session.say("next: modelwire topics check")


@topics.command()
@click.pass_obj
def check(session: Session) -> int:
    """Say what is wrong with the namespace's topics, and the command that mends it."""
    log = session.log()
    if log.capabilities.makes_streams:
        session.say(f"{session.url} has no topics to check")
        return 0
    from modelwire_log.kafka.log import KafkaLog
    from modelwire_log.kafka.setup import check_topics

    assert isinstance(log, KafkaLog)  # noqa: S101  the one keeper that makes no streams
    found = check_topics(log, session.namespace)
    for fault in found:
        session.data({"fault": str(fault)}, str(fault))
    if not found:
        session.say(f"the topics of {session.namespace} are as they should be")
    return 5 if found else 0


@topics.command(name="print")
@click.option("--replication", type=int, default=3, show_default=True)
@click.option("--events", multiple=True, metavar="STREAM", help="Streams that are scored.")
@click.option("--outputs", multiple=True, metavar="STREAM", help="Streams that outputs go to.")
@click.option("--groups", multiple=True, metavar="GROUP", help="Groups that score.")
@click.pass_obj
def print_(
    session: Session,
    replication: int,
    events: tuple[str, ...],
    outputs: tuple[str, ...],
    groups: tuple[str, ...],
) -> None:
    """Print the commands that make the topics and give each role its least rights."""
    from modelwire_log.kafka.topics import print_topics

    url = session.url
    servers = url.removeprefix("kafka://") if url.startswith("kafka:") else "localhost:9092"
    text = print_topics(
        servers,
        session.namespace,
        replication=replication,
        events=events,
        outputs=outputs,
        groups=groups,
    )
    click.echo(text, nl=False)
