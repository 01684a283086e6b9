"""Verbs that release: publish a file, watch a folder."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import click

from modelwire_publisher.calls import publish as released, watch as watched
from modelwire_publisher.order import PublishedRelease
from modelwire_publisher.progress import Stage
from modelwire_publisher.wishes import Wishes
from modelwire_router.cli.options import SECONDS, read_time, reason
from modelwire_router.cli.session import Session
from modelwire_router.cli.stopping import stop_on_signals
from modelwire_router.cli.waiting import wait_for_warm
from modelwire_schemas.errors import Rejected


def _listed(_context: click.Context, _: click.Parameter, value: str | None) -> list[str] | None:
    return [word.strip() for word in value.split(",")] if value else None


def _pairs(
    _context: click.Context, option: click.Parameter, words: tuple[str, ...]
) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for word, (key, equals, _) in zip(words, pairs, strict=True):
        if not equals or not key:
            raise Rejected("E_OPTION", f"{option.opts[0]} {word!r}", expected="key=value")
    return {key: value for key, _, value in pairs}


def _numbers(
    context: click.Context, option: click.Parameter, words: tuple[str, ...]
) -> dict[str, float]:
    return {key: _number(key, text) for key, text in _pairs(context, option, words).items()}


def _time(_context: click.Context, _: click.Parameter, value: str | None) -> int:
    return 0 if value is None else read_time(value)


@click.command()
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--version", required=True, help="Never used before for this model.")
@click.option(
    "--fields", metavar="a,b,…", callback=_listed, help="Event fields, as columns of one input."
)
@click.option("--contract", type=click.Path(path_type=Path), help="YAML: which field feeds what.")
@click.option("--golden", type=click.Path(path_type=Path), help="Inputs and the outputs they give.")
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    help="Events, as CSV or JSON lines; the release keeps how their numbers are distributed.",
)
@click.option(
    *("--metric", "metrics"),
    multiple=True,
    metavar="K=V",
    callback=_numbers,
    help="Of the offline evaluation.",
)
@click.option("--require", multiple=True, metavar="K>=V", help="A threshold for a metric.")
@click.option("--label", "labels", multiple=True, metavar="K=V", callback=_pairs)
@click.option("--requires", "requirements", multiple=True, metavar="PACKAGE>=V")
@click.option(
    "--valid-until", metavar="TIME", callback=_time, help="No document gives it more events then."
)
@click.option("--format", "artifact_format", help="Of the file; by default what it is.")
@click.option("--parent", help="The version that it comes from; by default the newest.")
@click.option("--commit", help="The source commit.")
@click.option("--store", metavar="URI", help="A folder or bucket for the bytes, not the log.")
@click.option("--idempotency-key", metavar="K", help="The same key publishes once.")
@click.option("--new-contract", is_flag=True, help="A contract that breaks the old one is meant.")
@click.option("--keep-form", is_flag=True, help="Leave a large model in one file.")
@click.option("--wait", is_flag=True, help="Wait until the instances that want it are warm.")
@click.option("--timeout", type=SECONDS, default=60.0, show_default=True, help="Seconds to wait.")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@reason
@click.pass_obj
def publish(
    session: Session,
    /,
    file: Path,
    model: str,
    version: str,
    wait: bool,
    timeout: float,
    **wishes: Unpack[Wishes],
) -> None:
    """Release FILE as a version of MODEL; nothing serves it until a route names it."""
    release = released(
        file,
        model=model,
        version=version,
        log=session.log(),
        namespace=session.namespace,
        progress=_bar() if sys.stderr.isatty() else None,
        **wishes,
    )
    dry_run = wishes.get("dry_run", False)
    _show(session, release, dry_run=dry_run)
    if wait and not dry_run:
        wait_for_warm(session, model, version, timeout)
        session.say(f"{model} {version} is warm wherever a route wants it")
    if not dry_run:
        session.say(f"next: modelwire flip {model} {version}")


def _show(session: Session, release: PublishedRelease, *, dry_run: bool) -> None:
    row = {
        "model": release.model,
        "version": release.version,
        "digest": release.digest,
        "offset": release.offset,
        "form": release.form,
        "where": release.where,
        "bytes": release.size,
        "already": release.already,
        "checks": {check.name: check.found for check in release.checks},
    }
    checks = " · ".join(str(check) for check in release.checks)
    done = "already released" if release.already else "released"
    did = "would release" if dry_run else done
    session.data(
        row,
        f"checks   {checks}\n"
        f"{did} {release.model} {release.version}   sha256:{release.digest[:12]}   "
        f"{release.size:,} bytes, {release.form}, {release.where}",
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--sample", type=click.Path(path_type=Path), help="Events, as CSV or JSON lines.")
@click.option("--label", "labels", multiple=True, metavar="K=V", callback=_pairs)
@click.option("--store", metavar="URI", help="A folder or bucket for the bytes, not the log.")
@click.option("--new-contract", is_flag=True, help="Contracts that break the old ones are meant.")
@click.option("--keep-form", is_flag=True, help="Leave large models in one file.")
@reason
@click.pass_obj
def watch(session: Session, /, folder: Path, **wishes: Unpack[Wishes]) -> None:
    """Release what is dropped into FOLDER/MODEL/VERSION.onnx, once it is whole, exactly once."""
    stop = threading.Event()
    stop_on_signals(stop.set)
    if folder.is_dir():
        session.say(f"watching {folder}; drop MODEL/VERSION.onnx into it, Ctrl-C ends")
    for seen in watched(
        folder,
        log=session.log(),
        namespace=session.namespace,
        stop=stop,
        **wishes,
    ):
        if seen.release is not None:
            _show(session, seen.release, dry_run=False)
        else:
            session.say(f"{seen.file.name}: {seen.error}")


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Rejected("E_OPTION", f"--metric {key}={text!r}", expected="a number") from None


def _bar() -> Callable[[Stage, int, int], None]:
    """Return a progress that draws on the terminal; rich loads here, for people only."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    shown = Progress(console=Console(stderr=True), transient=True)
    tasks: dict[Stage, TaskID] = {}

    def told(stage: Stage, done: int, total: int) -> None:
        if not tasks:
            shown.start()
            click.get_current_context().call_on_close(shown.stop)
        if stage not in tasks:
            tasks[stage] = shown.add_task(str(stage), total=total)
        shown.update(tasks[stage], completed=done, total=total)

    return told
