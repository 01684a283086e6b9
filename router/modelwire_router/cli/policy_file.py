"""A namespace's policy as YAML: read strictly, all faults at once, each with its place."""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, cast

from modelwire_publisher.plain_yaml import Document, Spot, Steps, misread, read, read_file
from modelwire_router.cli.options import read_time
from modelwire_router.times import show_time
from modelwire_schemas.errors import Fault, Rejected, RejectedFile
from modelwire_schemas.policy import Act, Approvals, Blackout, PolicySet, Right

WHOLE = ("lead", "roles", "approvals", "blackouts")
RIGHT = ("may", "models", "routes", "authors", "roles")
APPROVALS = ("routes", "needed")
BLACKOUT = ("from", "to", "reason")


def read_policy(path: Path, lead: int) -> PolicySet:
    """Return what a file says; a `lead` that it leaves out stays as it is.

    Raises RejectedFile with all faults, Rejected `E_TOO_BIG`, and what opening a file raises.
    """
    documents, faults = read(read_file(path), str(path))
    if faults:
        raise RejectedFile(faults)
    if len(documents) != 1:
        raise Rejected("E_YAML", f"{len(documents)} documents", where=str(path), expected="one")
    reader = _Reader(documents[0], str(path))
    policy = reader.policy(lead)
    if reader.faults:
        raise RejectedFile(sorted(reader.faults, key=lambda fault: (fault.line, fault.column)))
    return policy


def written(policy: PolicySet) -> dict[str, Any]:
    """Return a policy as plain data, as a file says it."""
    return {
        "lead": policy.lead,
        "roles": [_written_right(right) for right in policy.rights],
        "approvals": [{"routes": [*a.routes], "needed": a.needed} for a in policy.approvals],
        "blackouts": [
            {"from": _written_time(b.start), "to": _written_time(b.end), "reason": b.reason}
            for b in policy.blackouts
        ],
    }


def _written_right(right: Right) -> dict[str, Any]:
    names = "models" if right.act is Act.RELEASE else "routes"
    said = {names: right.names, "authors": right.authors, "roles": right.roles}
    return {"may": str(right.act), **{key: [*words] for key, words in said.items() if words}}


def _written_time(ms: int) -> str | int:
    """Return a time that is read as the same again."""
    return ms if ms % 1000 or ms <= 0 else show_time(ms)


class _Reader:
    """Reads one document; what is wrong is noted, and reading goes on."""

    def __init__(self, document: Document, file: str) -> None:
        odd = dict(misread(document, file))
        self.faults = [*odd.values()]
        self._odd = odd.keys()
        self._document = document
        self._file = file

    def policy(self, lead: int) -> PolicySet:
        said = self._fields((), WHOLE)
        return PolicySet(
            self._number(("lead",), 0) if "lead" in said else lead,
            tuple(self._right(at) for at in self._items(("roles",))),
            tuple(self._approvals(at) for at in self._items(("approvals",))),
            tuple(self._blackout(at) for at in self._items(("blackouts",))),
        )

    def _right(self, at: Steps) -> Right:
        said = self._fields(at, RIGHT)
        act = self._act((*at, "may"))
        kind, other = ("models", "routes") if act is Act.RELEASE else ("routes", "models")
        if other in said:
            self._wrong((*at, other), f"{other} in a right to {act}", kind, key=True)
        names = self._words((*at, kind), least=1)
        authors, roles = self._words((*at, "authors")), self._words((*at, "roles"))
        if not self._said((*at, "authors")) and not self._said((*at, "roles")):
            self._wrong(at, "nobody has this right", "authors or roles")
        return Right(act, names, authors, roles)

    def _approvals(self, at: Steps) -> Approvals:
        self._fields(at, APPROVALS)
        routes = self._words((*at, "routes"), least=1)
        return Approvals(routes, self._number((*at, "needed"), 1))

    def _blackout(self, at: Steps) -> Blackout:
        self._fields(at, BLACKOUT)
        start, end = self._time((*at, "from")), self._time((*at, "to"))
        if start is not None and end is not None and end <= start:
            self._wrong((*at, "to"), "it ends before it begins", "a time behind `from`")
        reason = self._said((*at, "reason"))
        if not isinstance(reason, str | None):
            self._wrong((*at, "reason"), f"the reason is {reason!r:.80}", "text")
        return Blackout(start or 0, end or 1, f"{reason or ''}")

    def _fields(self, at: Steps, known: Sequence[str]) -> Mapping[str, Any]:
        said = self._said(at)
        if not isinstance(said, dict):
            self._wrong(at, f"{said!r:.80}", f"a mapping of {', '.join(known)}")
            return {}
        fields = cast("Mapping[str, Any]", said)
        for key in fields:
            if key not in known:
                expected = f"one of {', '.join(known)}"
                self._wrong(
                    (*at, key), f"unknown field {key}", expected, "E_UNKNOWN_FIELD", key=True
                )
        return fields

    def _items(self, at: Steps) -> list[Steps]:
        said = self._said(at)
        if said is None:
            return []
        if not isinstance(said, list):
            self._wrong(at, f"{at[-1]} is {said!r:.80}", "a list")
            return []
        return [(*at, number) for number in range(len(cast("list[object]", said)))]

    def _words(self, at: Steps, least: int = 0) -> tuple[str, ...]:
        found = [(place, self._said(place)) for place in self._items(at)]
        for place, word in found:
            if not isinstance(word, str) or not word:
                self._wrong(place, f"{word!r:.80}", "a name or a pattern, as text")
        if least and not self._said(at):
            self._wrong(at, f"{at[-1]} is empty", 'names or patterns, as ["flights-*"]')
        return tuple(word for _, word in found if isinstance(word, str))

    def _number(self, at: Steps, least: int) -> int:
        said = self._said(at)
        if isinstance(said, int) and not isinstance(said, bool) and said >= least:
            return said
        self._wrong(at, _is(at, said), f"a whole number, {least} or more")
        return least

    def _time(self, at: Steps) -> int | None:
        said = self._said(at)
        if not isinstance(said, str | int):
            expected = "2026-12-24T00:00:00Z, or ms since 1970 UTC"
            self._wrong(at, _is(at, said), expected)
            return None
        try:
            return read_time(f"{said}")
        except Rejected as error:
            self._wrong(at, error.what, error.expected, error.code)
            return None

    def _act(self, at: Steps) -> Act:
        said = self._said(at)
        if said in set(Act):
            return Act(cast("str", said))
        self._wrong(at, f"may is {said!r:.80}", f"one of {', '.join(Act)}")
        return Act.ROUTE

    def _said(self, at: Steps) -> object:
        """Return what stands at a place; None where nothing does."""
        return reduce(_inside, at, self._document.value)

    def _wrong(
        self, at: Steps, what: str, expected: str, code: str = "E_POLICY", *, key: bool = False
    ) -> None:
        if at in self._odd:
            return  # what it was read as is no news
        spot = _spot(self._document, at, key=key)
        self.faults.append(Fault(self._file, spot.line, spot.column, code, what, expected))


def _is(at: Steps, said: object) -> str:
    return f"no {at[-1]}" if said is None else f"{at[-1]} is {said!r:.80}"


def _inside(value: Any, step: str | int) -> Any:  # noqa: ANN401 - any plain data
    if isinstance(step, int):
        return value[step]
    return cast("Mapping[str, Any]", value).get(step) if isinstance(value, dict) else None


def _spot(document: Document, at: Steps, *, key: bool) -> Spot:
    """Return where a part stands; what is not there stands where its parent does."""
    places = document.keys if key else document.values
    while at not in places and at:
        at, places = at[:-1], document.values
    return places.get(at, Spot(1, 1))
