"""Verbs on the host's cache of artifacts: list it, make room."""

import os
from pathlib import Path
from typing import Any

import click

from modelwire.config import CACHE, default_cache
from modelwire_router.cli.session import Session
from modelwire_router.times import show_time
from modelwire_schemas.errors import Rejected

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@click.group()
@click.option("--folder", envvar=CACHE, type=click.Path(path_type=Path), help="Of the cache.")
@click.pass_context
def cache(ctx: click.Context, folder: Path | None) -> None:
    """Look at the artifacts that are kept on this host."""
    ctx.meta["folder"] = folder or default_cache(os.environ)


@cache.command(name="ls")
@click.pass_context
def ls(ctx: click.Context) -> None:
    """List the artifacts, longest unused first; pinned ones are in use or named by a route."""
    from modelwire.loading.cache import Cache

    session: Session = ctx.obj
    entries = Cache(ctx.meta["folder"]).ls(_named(session))
    rows: list[dict[str, Any]] = [
        {
            "digest": entry.digest if session.as_json else entry.digest[:12],
            "bytes": entry.size,
            "used": entry.last_used if session.as_json else show_time(entry.last_used),
            "pinned": entry.pinned,
        }
        for entry in entries
    ]
    session.table(rows, ["digest", "bytes", "used", "pinned"])
    session.say(f"{len(rows)} artifacts, {sum(row['bytes'] for row in rows):,} bytes")


@cache.command()
@click.option("--max-size", default="0", metavar="20G", help="What may stay; by default nothing.")
@click.pass_context
def prune(ctx: click.Context, max_size: str) -> None:
    """Remove the longest unused artifacts; those in use or named by a route stay."""
    from modelwire.loading.cache import Cache

    session: Session = ctx.obj
    removed = Cache(ctx.meta["folder"]).prune(_bytes(max_size), _named(session))
    session.table(
        [{"digest": entry.digest[:12], "bytes": entry.size} for entry in removed],
        ["digest", "bytes"],
    )
    session.say(f"{sum(entry.size for entry in removed):,} bytes removed")


def _named(session: Session) -> set[str]:
    """Return the digests that routes name now, if a log is given."""
    if not session.url:
        return set()
    state = session.state()
    return {
        release.artifact.digest
        for route in state.routes.values()
        for a in (*route.timeline, *route.recent)
        for version in a.document.versions()
        if (release := state.release(a.document.model, version))
    }


def _bytes(text: str) -> int:
    number, unit = text.rstrip("KMGTkmgt"), text[len(text.rstrip("KMGTkmgt")) :].upper()
    if not number.isdigit() or unit not in UNITS:
        raise Rejected("E_OPTION", f"--max-size {text}", expected="bytes, or 500M, 20G")
    return int(number) * UNITS[unit]
