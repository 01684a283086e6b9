"""The verb that scores a stream until it is told to stop."""

from pathlib import Path

import click

from modelwire_router.cli.options import SECONDS, read_begin
from modelwire_router.cli.session import Session
from modelwire_router.cli.stopping import log_to_stderr, stop_on_signals


@click.command()
@click.option("--route", required=True, help="The route that chooses versions.")
@click.option("--in", "source", required=True, metavar="STREAM", help="Events, as JSON objects.")
@click.option("--out", "sink", required=True, metavar="STREAM", help="Where outputs go.")
@click.option("--group", default="", help="Members of a group share the partitions.")
@click.option("--from", "begin", default="start", metavar="start|end|TIME", show_default=True)
@click.option("--key-field", default="", help="The event's field that is its key.")
@click.option("--time-field", default="", help="The event's field that is its time.")
@click.option("--dead-letters", default="", metavar="STREAM", help="Default: OUT.dead-letters.")
@click.option("--shadow", default="", metavar="STREAM", help="Pairs of shadows; OUT.shadow.")
@click.option("--watch", multiple=True, metavar="FIELD", help="Tell how a field is distributed.")
@click.option("--until-end", is_flag=True, help="Stop when what is there now is scored.")
@click.option("--cache", envvar="MODELWIRE_CACHE", type=click.Path(path_type=Path))
@click.option("--application", envvar="MODELWIRE_APPLICATION", default="score")
@click.option("--ready-timeout", type=SECONDS, default=60.0, show_default=True, help="Seconds.")
@click.pass_obj
def score(
    session: Session,
    route: str,
    source: str,
    sink: str,
    group: str,
    begin: str,
    key_field: str,
    time_field: str,
    dead_letters: str,
    shadow: str,
    watch: tuple[str, ...],
    until_end: bool,
    cache: Path | None,
    application: str,
    ready_timeout: float,
) -> None:
    """Score the events of a stream; SIGTERM and Ctrl-C finish the batch and commit it."""
    # numpy and onnxruntime are loaded here, and for no verb that only reads.
    from modelwire.door import connect
    from modelwire.scoring.events import Reading
    from modelwire.scoring.scorer import Job, Scorer, check_streams

    job = Job(
        route=route,
        source=source,
        sink=sink,
        group=group or f"{application}-{route}",
        begin=read_begin(begin),
        reading=Reading(key_field, time_field),
        dead_letters=dead_letters,
        shadow=shadow,
        watch=watch,
    )
    check_streams(session.log(), job)
    log_to_stderr()
    with connect(
        session.url, namespace=session.namespace, application=application, cache=cache
    ) as models:
        scorer = Scorer(models, models.log, job)
        stop_on_signals(scorer.stop)
        session.say(f"scoring {source} → {sink} by route {route} as group {job.group}")
        totals = scorer.run(until_end=until_end, timeout=ready_timeout)
    row = {
        "events": totals.events,
        "outputs": totals.outputs,
        "dead": totals.dead,
        "batches": totals.batches,
    }
    session.data(row, f"{totals.events} events: {totals.outputs} outputs, {totals.dead} dead")
    if totals.dead:
        session.say(f"next: modelwire read {job.graveyard}")
