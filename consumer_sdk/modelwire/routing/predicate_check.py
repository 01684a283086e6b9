"""What a condition may look like: small, on well-formed fields, with literals of one kind.

The bounds hold the cost of an event and the size of a document; they are part of the format.
"""

import math
import re
from collections.abc import Iterator, Sequence

from modelwire.routing.predicate import HEADER, kind
from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_DEPTH, MAX_NODES
from modelwire_schemas.release import Scalar
from modelwire_schemas.routing import All, Clause, Not, Op, Predicate

MAX_VALUES = 1_000
MAX_LITERAL = 256
"""Bytes of one literal."""

_FIELD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_INT64 = range(-(2**63), 2**63)
_LISTS = {Op.IN, Op.NOT_IN}
_NUMBERS = {Op.GT, Op.LT, Op.GE, Op.LE}
_NO_VALUES = {Op.EXISTS, Op.DOES_NOT_EXIST}


def check_predicate(predicate: Predicate) -> None:
    """Raise Rejected where the predicate may not travel.

    `E_TOO_COMPLEX`: more than 64 nodes, 8 levels, 1,000 values or 256 bytes in a literal.
    `E_FIELD`: a field is not well-formed. `E_TYPE`: the literals do not fit the operator.
    """
    for count, (node, depth) in enumerate(_walk(predicate), start=1):
        if count > MAX_NODES:
            raise _too_complex(f"a condition of more than {MAX_NODES} nodes")
        if depth > MAX_DEPTH:
            raise _too_complex(f"a condition of more than {MAX_DEPTH} levels")
        if isinstance(node, Clause):
            _check_clause(node)


def check_field(what: str, field: str) -> None:
    """Raise Rejected `E_FIELD` unless `field` may name an event's field."""
    if not _FIELD.fullmatch(field) or "__" in field:
        raise Rejected(
            "E_FIELD",
            f"{what} {field!r} is not well-formed",
            expected="1 to 100 of A-Z a-z 0-9 . _ - without a double underscore",
            todo="name a field of the event, not an expression",
        )


def _walk(predicate: Predicate) -> Iterator[tuple[Predicate, int]]:
    """Yield each node with its level, parents first; a deep tree costs no stack."""
    waiting: list[tuple[Predicate, int]] = [(predicate, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((part, depth + 1) for part in reversed(_parts(node)))


def _parts(node: Predicate) -> Sequence[Predicate]:
    if isinstance(node, Clause):
        return ()
    if isinstance(node, Not):
        return (node.part,)
    if not node.parts:
        raise _wrong_type(f"an empty {'all' if isinstance(node, All) else 'any'}", "a part or more")
    return node.parts


def _check_clause(clause: Clause) -> None:
    name = clause.field.removeprefix(HEADER)
    check_field("header" if name != clause.field else "field", name)
    allowed = _allowed_values(clause.op)
    if len(clause.values) > MAX_VALUES:
        raise _too_complex(f"{clause.op} of {clause.field} with {len(clause.values):,} values")
    if len(clause.values) not in allowed:
        raise _wrong_type(
            f"{clause.op} of {clause.field} with {len(clause.values)} values",
            f"{allowed[0]}" if len(allowed) == 1 else f"{allowed[0]} to {allowed[-1]:,}",
        )
    for value in clause.values:
        _check_literal(clause, value)


def _allowed_values(op: Op) -> range:
    if op in _NO_VALUES:
        return range(1)
    return range(1, MAX_VALUES + 1) if op in _LISTS else range(1, 2)


def _check_literal(clause: Clause, value: Scalar) -> None:
    wanted = kind(clause.values[0])
    if clause.op is Op.PREFIX:
        wanted = str
    elif clause.op in _NUMBERS:
        wanted = float
    if kind(value) is not wanted:
        raise _wrong_type(
            f"{clause.op} of {clause.field} with {value!r}",
            {str: "text", float: "a number", bool: "bools only"}[wanted],
        )
    _check_scalar(clause, value)


def _check_scalar(clause: Clause, value: Scalar) -> None:
    where = f"{clause.op} of {clause.field}"
    if isinstance(value, str):
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise _wrong_type(f"{where} with text that has no UTF-8", "text") from None
        if size > MAX_LITERAL:
            raise _too_complex(f"{where} with a literal of {size:,} bytes")
    elif isinstance(value, int):
        if value not in _INT64:
            raise _wrong_type(f"{where} with an integer of more than 64 bits", "-2^63 to 2^63 - 1")
    elif not math.isfinite(value):
        raise _wrong_type(f"{where} with {value!r}", "a finite number")


def _too_complex(what: str) -> Rejected:
    return Rejected(
        "E_TOO_COMPLEX",
        what,
        expected=(
            f"at most {MAX_NODES} nodes, {MAX_DEPTH} levels, {MAX_VALUES:,} values, "
            f"{MAX_LITERAL} bytes a literal"
        ),
        todo="put the decision into a field of the event",
    )


def _wrong_type(what: str, expected: str) -> Rejected:
    return Rejected("E_TYPE", what, expected=expected, todo="mend the condition")
