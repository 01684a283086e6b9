"""Asking for a change: append a command, fold up to it, and return what became of it."""

import getpass
import hashlib
import secrets
from dataclasses import dataclass

from modelwire.clock import Clock, SystemClock
from modelwire.control.fold import fold
from modelwire.control.reading import fold_log
from modelwire.control.state import Entry, State, Verdict
from modelwire_log.contract import Log
from modelwire_log.envelope import seal
from modelwire_schemas.codec import content_digest
from modelwire_schemas.control import Body, Command, ControlRecord, fold_of
from modelwire_schemas.errors import Unavailable
from modelwire_schemas.names import topic

EXPIRES = 10 * 60 * 1000
"""Ms after which a command that is still on its way has no effect any more."""


@dataclass(frozen=True, slots=True)
class By:
    """Who asks and why. Asserted until records are signed: it stops mistakes, not attackers."""

    author: str = ""
    reason: str = ""
    role: str = "operator"
    ticket: str = ""
    cause: str = "operator"
    source: str = "modelwire"


def request_of(route: str, rollout: str, step: str, base: int) -> str:
    """Return the request id of a rollout's step from revision `base`: two controllers have one."""
    told = "\n".join((route, rollout, step, str(base)))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def me(reason: str = "", role: str = "operator", cause: str = "operator") -> By:
    """Return a By for the user who runs this process."""
    try:
        author = getpass.getuser()
    except (OSError, KeyError):
        author = "unknown"
    return By(author=author, reason=reason, role=role, cause=cause)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A command's verdict, and the state at its record."""

    verdict: Verdict
    state: State


def rehearse(
    state: State,
    body: Body,
    by: By | None = None,
    request_id: str = "rehearsal",
    *,
    clock: Clock | None = None,
) -> Verdict:
    """Return what the fold would say to a command now, as far as `state` knows; nothing is written.

    What it rejects is rejected; what it accepts may still lose against a change on its way. The log
    may have been quiet for long, so it is asked at the present, not at the newest record.
    """
    now = max((clock or SystemClock()).now(), state.now)
    record = _record(body, by or By(), request_id, now + EXPIRES)
    _, (verdict,) = fold(state, [Entry(state.offset + 1, now, record)])
    return verdict


def submit(
    log: Log,
    namespace: str,
    body: Body,
    by: By,
    *,
    request_id: str | None = None,
    state: State | None = None,
    expires: int = EXPIRES,
    clock: Clock | None = None,
    timeout: float = 30.0,
) -> Outcome:
    """Append a command and return its verdict, which the fold gives and nobody else.

    `state` saves folding again what the caller has folded, and its time counts where this
    machine's clock is behind the log's. After `expires` ms the command has no effect any more. A
    repeated `request_id` with the same body gets its first verdict, so a retry is safe. Raises
    Unavailable when the log is away.
    """
    request = request_id or secrets.token_hex(16)
    now = max((clock or SystemClock()).now(), state.now if state else 0)
    record = _record(body, by, request, now + expires)
    message = seal(record, source=by.source)
    receipt = log.append(topic(namespace, "control"), message, timeout=timeout)
    seen: list[Verdict] = []

    def each(entry: Entry, verdict: Verdict) -> None:
        if entry.offset == receipt.offset:
            seen.append(verdict)

    last = receipt.offset
    after = fold_log(log, namespace, state=state, last=last, each=each, timeout=timeout)
    if not seen:
        raise Unavailable(
            "E_LOG_UNAVAILABLE",
            f"the command was appended at offset {receipt.offset} and cannot be read back",
            where=f"control log of {namespace}",
            todo=f"ask again with the request id {request}",
        )
    return Outcome(seen[0], after)


def _record(body: Body, by: By, request_id: str, expires: int) -> ControlRecord:
    command = Command(
        request_id=request_id,
        content=content_digest(body),
        expires=expires,
        fold=fold_of(body),
        author=by.author,
        role=by.role,
        reason=by.reason,
        ticket=by.ticket,
        cause=by.cause,
    )
    return ControlRecord(command, body)
