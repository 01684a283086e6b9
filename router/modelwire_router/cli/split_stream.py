"""The verb that hands the events of a stream on to a stream for each version."""

import os

import click

from modelwire_router.cli.options import SECONDS, read_begin
from modelwire_router.cli.session import Session
from modelwire_router.cli.stopping import log_to_stderr, stop_on_signals


@click.command(name="split-stream")
@click.option("--route", required=True, help="The route whose rules choose.")
@click.option("--in", "source", required=True, metavar="STREAM", help="Events of any consumer.")
@click.option("--out", default="", metavar="PATTERN", help="Default: 'IN.{version}'.")
@click.option("--to", "named", multiple=True, metavar="VERSION=STREAM", help="For one version.")
@click.option("--group", default="", help="Members of a group share the partitions.")
@click.option("--from", "begin", default="start", metavar="start|end|TIME", show_default=True)
@click.option("--key-field", default="", help="The event's field that is its key.")
@click.option("--time-field", default="", help="The event's field that is its time.")
@click.option("--opaque", is_flag=True, help="Values may be anything: rules see no fields.")
@click.option("--dead-letters", default="", metavar="STREAM", help="Default: IN.dead-letters.")
@click.option("--until-end", is_flag=True, help="Stop when what is there now is handed on.")
@click.option("--application", envvar="MODELWIRE_APPLICATION", default="split")
@click.option("--ready-timeout", type=SECONDS, default=60.0, show_default=True, help="Seconds.")
@click.pass_obj
def split_stream(
    session: Session,
    route: str,
    source: str,
    out: str,
    named: tuple[str, ...],
    group: str,
    begin: str,
    key_field: str,
    time_field: str,
    opaque: bool,
    dead_letters: str,
    until_end: bool,
    application: str,
    ready_timeout: float,
) -> None:
    """Hand events on, as they are, to a stream for each version of a route.

    For consumers that embed no SDK: each reads the stream of its own version. Rules, keys and
    times are those of `score`; no model is loaded. SIGTERM and Ctrl-C finish the batch.
    """
    # numpy is loaded here, and for no verb that only reads.
    from modelwire.config import read_config
    from modelwire.scoring.events import Reading
    from modelwire.scoring.scorer import Job, Scorer, check_streams
    from modelwire.scoring.splitting import VERSION, Sides, Splitter, rules_only

    sides = Sides(out or f"{source}.{VERSION}", _named(named))
    job = Job(
        route=route,
        source=source,
        group=group or f"{application}-{route}",
        begin=read_begin(begin),
        reading=Reading(key_field, time_field, opaque),
        dead_letters=dead_letters,
    )
    log = session.log()
    check_streams(log, job)
    log_to_stderr()
    config = read_config(
        os.environ, log=session.url, namespace=session.namespace, application=application
    )
    with rules_only(config, log, job, sides) as models:
        scorer = Scorer(models, log, job, Splitter(log, source, sides))
        stop_on_signals(scorer.stop)
        session.say(f"splitting {source} by route {route} as group {job.group}")
        totals = scorer.run(until_end=until_end, timeout=ready_timeout)
    given = ", ".join(f"{count} to {name}" for name, count in sorted(totals.streams.items()))
    row = {"events": totals.events, "dead": totals.dead, "streams": totals.streams}
    session.data(row, f"{totals.events} events" + (f": {given}" if given else ""))
    if totals.dead:
        session.say(f"next: modelwire read {job.graveyard}")


def _named(said: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in said]
    for version, _, stream in pairs:
        if not (version and stream):
            raise click.UsageError(f"--to {version}: expected VERSION=STREAM")
    if len({version for version, _, _ in pairs}) < len(pairs):
        raise click.UsageError("--to names a version twice")
    return {version: stream for version, _, stream in pairs}
