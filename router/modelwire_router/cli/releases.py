"""Verbs on releases: list, show, withdraw, and prune what nobody needs."""

from collections.abc import Mapping
from typing import Any, cast

import click

from modelwire.control.reading import read_past
from modelwire_publisher.calls import withdraw as withdrawn
from modelwire_router.cli.session import Session
from modelwire_router.known import known_release
from modelwire_router.plain import plain
from modelwire_router.prune import Prunable, prunable, prune_chunks
from modelwire_router.times import show_time
from modelwire_router.views import release_rows
from modelwire_schemas.errors import NotFound
from modelwire_schemas.names import topic
from modelwire_schemas.release import ReleasePublished
from modelwire_schemas.telemetry import bounds


@click.command()
@click.argument("model", required=False)
@click.pass_obj
def releases(session: Session, model: str | None) -> None:
    """List the releases, oldest first, and which route uses each."""
    state = session.state()
    rows = release_rows(state, model)
    if model is not None and not rows:
        known = ", ".join(sorted(state.releases)) or "none"
        raise NotFound("E_UNKNOWN_MODEL", f"model {model} has no release", expected=known)
    if not session.as_json:
        rows = [{**row, "time": show_time(row["time"])} for row in rows]
    session.table(rows, ["model", "version", "state", "digest", "form", "bytes", "time", "by"])


@click.command()
@click.argument("model")
@click.argument("version")
@click.pass_obj
def show(session: Session, model: str, version: str) -> None:
    """Show everything that a release says."""
    state = session.state()
    known = known_release(state, model, version)
    past = read_past(session.log(), session.namespace)
    record = next(p.entry.record for p in past if p.entry.offset == known.offset)
    body = getattr(record, "body", None)
    shown: dict[str, Any] = plain(body) if isinstance(body, ReleasePublished) else {}
    shown |= {"offset": known.offset, "author": known.author, "withdrawn": known.withdrawn}
    read = shown | {"sample": _sampled(body)} if isinstance(body, ReleasePublished) else shown
    session.data(shown, "\n".join(_lines(read)))


@click.command()
@click.argument("model")
@click.argument("version")
@click.option("--reason", required=True, help="Why; it stays in the history.")
@click.pass_obj
def withdraw(session: Session, model: str, version: str, reason: str) -> None:
    """Take VERSION back: no route may name it any more; its bytes stay until `prune`."""
    done = withdrawn(model, version, reason, log=session.log(), namespace=session.namespace)
    row = {"model": model, "version": version, "offset": done.offset, "already": done.already}
    told = "was withdrawn before" if done.already else "is withdrawn"
    session.data(row, f"{model} {version} {told}")
    session.say("next: modelwire prune shows what its bytes still make possible")


@click.command()
@click.option("--yes", is_flag=True, help="Remove them; without it they are only named.")
@click.pass_obj
def prune(session: Session, yes: bool) -> None:
    """Remove the bytes of withdrawn versions, with --yes; first name what that makes impossible."""
    past = read_past(session.log(), session.namespace)
    found = prunable(session.state(), past)
    if not found:
        session.say("nothing to prune: no withdrawn version has bytes on the log")
        return
    session.table(
        [_prunable_row(p) for p in found], ["model", "version", "bytes", "served", "impossible"]
    )
    if not yes:
        session.say("next: modelwire prune --yes removes these bytes for ever")
        return
    removed = prune_chunks(session.log(), topic(session.namespace, "artifacts"), found)
    session.say(f"{removed} records removed")


def _sampled(body: ReleasePublished) -> list[dict[str, Any]]:
    """Return a release's sample as people read it; lowest and highest are known within 3 %."""
    rows: list[dict[str, Any]] = []
    for field in body.sample:
        moments, ends = field.sketch.moments, [bounds(one.index) for one in field.sketch.bins]
        low, high = min(map(min, ends)), max(map(max, ends))
        row = {"field": field.name, "values": moments.count, "missing": moments.odd}
        rows.append(
            row | {"from": f"{low:.4g}", "to": f"{high:.4g}", "mean": f"{moments.mean:.4g}"}
        )
    return rows


def _prunable_row(p: Prunable) -> dict[str, Any]:
    served = ", ".join(f"{route} {show_time(a)} to {show_time(b)}" for route, a, b in p.served)
    return {
        "model": p.model,
        "version": p.version,
        "bytes": p.size,
        "served": served,
        "impossible": "replay and repair of that time" if p.served else "nothing",
    }


def _lines(shown: Mapping[str, Any], indent: str = "") -> list[str]:
    lines: list[str] = []
    for key, value in shown.items():
        if isinstance(value, dict):
            inside = cast("dict[str, Any]", value)
            lines += [f"{indent}{key}:", *_lines(inside, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{indent}{key}:")
            items = cast("list[dict[str, Any]]", value)
            lines += [f"{indent}  {_inline(item)}" for item in items[:20]]
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines


def _inline(item: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in item.items() if value not in ("", [], None))
