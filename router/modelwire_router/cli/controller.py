"""The verb that promotes and rolls back by itself: controller."""

import os

import click

from modelwire_router.cli.options import Finite
from modelwire_router.cli.session import Session
from modelwire_router.cli.stopping import log_to_stderr, stop_on_signals


@click.command()
@click.option(
    "--every", type=Finite(0.05, 60), default=0.5, show_default=True, metavar="SECONDS",
    help="How often it looks, unless the control log has news earlier.",
)  # fmt: skip
@click.pass_obj
def controller(session: Session, every: float) -> None:
    """Carry the rollouts of the namespace on; SIGTERM and Ctrl-C end it.

    Any number may run: the log lets one of them take each step. Webhooks are signed with the
    secret in MODELWIRE_WEBHOOK_SECRET, or in the file that MODELWIRE_WEBHOOK_SECRET_FILE names.
    """
    # The analysis is loaded here, and for no verb that only reads.
    from modelwire_router.controller import Controller
    from modelwire_router.outside.signing import read_secret

    log_to_stderr()
    secret = read_secret(os.environ)
    running = Controller(session.log(), session.namespace, every=every, secret=secret)
    stop_on_signals(running.stop)
    session.say(f"{running.name} looks after namespace {session.namespace}")
    running.run()
    session.data({"controller": running.name, "sent": running.sent}, f"{running.sent} changes")
