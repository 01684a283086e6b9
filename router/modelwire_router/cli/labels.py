"""The verb that joins labels with predictions."""

from dataclasses import asdict

import click

from modelwire_router.cli.options import POSITIVE
from modelwire_router.cli.session import Session
from modelwire_router.cli.stopping import log_to_stderr, stop_on_signals


@click.command(name="join-labels")
@click.option("--route", required=True, help="The route whose predictions are meant.")
@click.option("--outputs", required=True, metavar="STREAM", help="What `score` wrote.")
@click.option("--labels", required=True, metavar="STREAM", help="Labels, as JSON objects.")
@click.option("--label-field", required=True, metavar="FIELD", help="The label: 0/1, or a number.")
@click.option("--label-id", default="id", show_default=True, help="Its field with the event's id.")
@click.option("--events", default="", metavar="STREAM", help="The events, to look up their ids.")
@click.option("--event-id", default="", metavar="FIELD", help="The events' field with their id.")
@click.option("--output", default="", help="The output that is compared; by default the first.")
@click.option("--at-least", type=float, help="The label is whether the field reaches this number.")
@click.option("--span", type=POSITIVE, default=60.0, show_default=True, help="Seconds of a window.")
@click.option("--until-end", is_flag=True, help="Stop when what is there now is joined.")
@click.pass_obj
def join_labels(
    session: Session,
    route: str,
    outputs: str,
    labels: str,
    label_field: str,
    label_id: str,
    events: str,
    event_id: str,
    output: str,
    at_least: float | None,
    span: float,
    until_end: bool,
) -> None:
    """Join LABELS with predictions by the event's id, and report how good these were."""
    # numpy is loaded here, and for no verb that only reads.
    from modelwire.scoring.labelling import LabelJob, LabelJoin
    from modelwire.scoring.labels import Terms

    terms = Terms(
        route=route,
        label_field=label_field,
        label_id=label_id,
        event_id=event_id,
        output=output,
        at_least=at_least,
        span=max(1, round(span * 1000)),
    )
    job = LabelJob(terms=terms, outputs=outputs, labels=labels, events=events)
    join = LabelJoin(session.log(), session.namespace, job)
    log_to_stderr()
    stop_on_signals(join.stop)
    row = asdict(join.run(until_end=until_end))
    session.data(row, ", ".join(f"{count} {word}" for word, count in row.items()))
