"""A control log by hand: bodies as people ask for them, and a book that folds them one by one."""

import hashlib
from collections.abc import Mapping

from modelwire.control.fold import fold
from modelwire.control.state import Entry, State, Verdict
from modelwire.routing.ranges import reweigh
from modelwire_schemas.codec import content_digest
from modelwire_schemas.control import Body, Command, ControlRecord, fold_of
from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    Column,
    Contract,
    Feed,
    ReleasePublished,
    ReleaseWithdrawn,
    Tensor,
    manifest_digest,
)
from modelwire_schemas.routing import (
    BUCKETS,
    Change,
    ModelVersion,
    RouteRevision,
    RoutingChanged,
    RoutingDocument,
    Rule,
    Split,
    Staleness,
)

MODEL = "flights"
ROUTE = "late"
BEGIN = 1_700_000_000_000
MINUTE = 60_000
LEAD = 500


def artifact(content: str) -> Artifact:
    named = hashlib.sha256(content.encode()).hexdigest()
    files = (ArtifactFile("model.onnx", len(content), named),)
    return Artifact("onnx", "packed", manifest_digest("onnx", "packed", files), files)


def contract(output: str = "late", *needed: str) -> Contract:
    fields = needed or ("dep_delay",)
    return Contract(
        (Tensor("x", "float32", (None, len(fields))),),
        (Tensor(output, "float32", (None,)),),
        (Feed("x", tuple(Column(field) for field in fields)),),
    )


def release(
    version: str,
    model: str = MODEL,
    *,
    content: str = "",
    takes: Contract | None = None,
    valid_until: int = 0,
) -> ReleasePublished:
    return ReleasePublished(
        model,
        version,
        artifact(content or f"{model} {version}"),
        takes or contract(),
        valid_until=valid_until,
    )


def withdrawal(version: str, model: str = MODEL) -> ReleaseWithdrawn:
    return ReleaseWithdrawn(model, version)


def document(
    versions: str | Mapping[str, int],
    route: str = ROUTE,
    model: str = MODEL,
    *,
    salt: str = "s",
    fallback: tuple[str, ...] = (),
    time_field: str = "",
    staleness: Staleness = Staleness.CONTINUE,
    contract_changed: bool = False,
    reshuffle: bool = False,
) -> RoutingDocument:
    """Return a document that gives one version everything, or several their buckets."""
    weights = {versions: BUCKETS} if isinstance(versions, str) else versions
    variants = reweigh((), [(version, version, weight) for version, weight in weights.items()])
    return RoutingDocument(
        route,
        model,
        (Rule("all", variants, Split(salt=salt)),),
        fallback=fallback,
        time_field=time_field,
        staleness=staleness,
        contract_changed=contract_changed,
        reshuffle=reshuffle,
    )


def change(
    what: RoutingDocument | str | Mapping[str, int],
    replaces: int,
    *,
    at: int | None = None,
    at_once: bool = False,
    cancels: tuple[int, ...] = (),
    withdraws: tuple[str, ...] = (),
) -> RoutingChanged:
    """Return a change of one route; `cancels` are its revisions, `withdraws` its versions."""
    whole = what if isinstance(what, RoutingDocument) else document(what)
    return RoutingChanged(
        (Change(whole, replaces),),
        at,
        at_once,
        tuple(RouteRevision(whole.route, revision) for revision in cancels),
        tuple(ModelVersion(whole.model, version) for version in withdraws),
    )


def record(
    body: Body,
    request_id: str,
    expires: int,
    *,
    author: str = "ann",
    role: str = "",
    reason: str = "",
) -> ControlRecord:
    fold, content = fold_of(body), content_digest(body)
    command = Command(request_id, content, expires, fold, author=author, role=role, reason=reason)
    return ControlRecord(command, body)


def both(first: RoutingDocument, second: RoutingDocument, *replaces: int) -> RoutingChanged:
    """Return a change of two routes, from these revisions."""
    return RoutingChanged((Change(first, replaces[0]), Change(second, replaces[1])))


class Book:
    """A control log and its fold; `now` (ms) is the log's clock, which a test turns."""

    def __init__(self, now: int = BEGIN) -> None:
        self.now = now
        self.entries: list[Entry] = []
        self.states = [State()]

    @property
    def state(self) -> State:
        return self.states[-1]

    def say(
        self,
        body: Body,
        *,
        request_id: str = "",
        expires: int | None = None,
        author: str = "ann",
        role: str = "",
        reason: str = "",
    ) -> Verdict:
        """Append a command at the log's time and return its verdict."""
        until = self.now + 10 * MINUTE if expires is None else expires
        asked = request_id or f"request-{len(self.entries)}"
        return self.put(record(body, asked, until, author=author, role=role, reason=reason))

    def must(self, body: Body) -> Verdict:
        """Append a command that is to be accepted."""
        verdict = self.say(body)
        assert verdict.accepted, verdict
        return verdict

    def put(self, what: ControlRecord | ModelwireError) -> Verdict:
        entry = Entry(len(self.entries), self.now, what)
        self.entries.append(entry)
        state, verdicts = fold(self.state, [entry])
        self.states.append(state)
        return verdicts[0]

    def wait(self, ms: int) -> None:
        self.now += ms


def served(versions: int = 3, *, now: int = BEGIN) -> Book:
    """Return a book with releases 1, 2, … and a route whose first document names version 1."""
    book = Book(now)
    for version in range(1, versions + 1):
        book.must(release(str(version)))
    book.must(change("1", 0))
    book.wait(MINUTE)
    return book
