"""Conditions on events, compiled once into closures that are asked for every event.

A clause is true or false, never unknown. It is false where its field is missing or null (which is
counted), where the value is of another kind than the clause's literals, and where it is NaN. So
`NotIn` is false on a missing field, while `not` of an `In` is true on it. `DoesNotExist` is true on
a missing field, which is not counted there. A bool is no number; 1 and 1.0 are the same number.

`header.<name>` reads a header, text or UTF-8 bytes. It is compared as text; where the literals are
numbers or bools, it has to be written as JSON writes them.
"""

import operator
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import NamedTuple, TypeAlias

from modelwire_schemas.release import Scalar
from modelwire_schemas.routing import All, Any as AnyOf, Clause, Not, Op, Predicate

Fields: TypeAlias = Mapping[str, object]
Test: TypeAlias = Callable[[Fields, Fields], bool]
"""Asked with an event's attributes and its headers."""

HEADER = "header."

_Read: TypeAlias = Callable[[object], typing.Any]

_NO_NUMBER = float("nan")  # compares false with everything, so it stands for what is no number
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(\.[0-9]{1,99})?([eE][+-]?[0-9]{1,4})?")
_JSON_BOOLS = {"true": True, "false": False}


def compile_predicate(predicate: Predicate, on_missing: Callable[[], None]) -> Test:
    """Return a function of attributes and headers that tells whether an event matches.

    The predicate has passed `check_predicate`. `on_missing` is called whenever a clause looked for
    a field in vain.
    """
    match predicate:
        case All(parts):
            return _all([compile_predicate(part, on_missing) for part in parts])
        case AnyOf(parts):
            return _any([compile_predicate(part, on_missing) for part in parts])
        case Not(part):
            inner = compile_predicate(part, on_missing)
            return lambda attributes, headers: not inner(attributes, headers)
        case Clause():
            return _clause(predicate, on_missing)


def kind(literal: Scalar) -> type[str | bool | float]:
    """Return what a literal compares with: `str`, `bool`, or `float` for all numbers."""
    if isinstance(literal, bool):
        return bool
    return str if isinstance(literal, str) else float


class Choices(NamedTuple):
    """A condition that is one `In` on text: a batch asks it in one go."""

    field: str
    values: frozenset[object]


def choices(predicate: Predicate | None) -> Choices | None:
    """Return the condition as choices, if that is all that it is."""
    if not isinstance(predicate, Clause) or predicate.op is not Op.IN:
        return None
    if predicate.field.startswith(HEADER) or kind(predicate.values[0]) is not str:
        return None
    return Choices(predicate.field, frozenset(predicate.values))


def fields(predicate: Predicate) -> Iterator[str]:
    """Yield the field of every clause, headers as `header.<name>`."""
    match predicate:
        case Clause(field):
            yield field
        case Not(part):
            yield from fields(part)
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from fields(part)


def header_text(value: object) -> str | None:
    """Return a header's value as text, or None where it is missing or no UTF-8."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None


def _all(tests: Sequence[Test]) -> Test:
    first, *rest = tests
    if not rest:
        return first
    second, *more = rest
    if not more:
        return lambda attributes, headers: (
            first(attributes, headers) and second(attributes, headers)
        )
    third = _all(more)  # three in one closure: a call less than two pairs
    return lambda a, h: first(a, h) and second(a, h) and third(a, h)


def _any(tests: Sequence[Test]) -> Test:
    first, *rest = tests
    if not rest:
        return first
    second = _any(rest)
    return lambda attributes, headers: first(attributes, headers) or second(attributes, headers)


def _clause(clause: Clause, on_missing: Callable[[], None]) -> Test:
    if not clause.field.startswith(HEADER):
        return _test(clause, clause.field, _FROM_FIELD, on_missing)
    test = _test(clause, clause.field.removeprefix(HEADER), _FROM_HEADER, on_missing)
    return lambda attributes, headers: test(headers, attributes)


def _test(
    clause: Clause, field: str, readers: Mapping[type, _Read], on_missing: Callable[[], None]
) -> Test:
    """Return a test of `field` in its first argument."""
    if clause.op is Op.EXISTS:
        return lambda fields, _: fields.get(field) is not None
    if clause.op is Op.DOES_NOT_EXIST:
        return lambda fields, _: fields.get(field) is None
    literal = kind(clause.values[0])
    convert = readers[literal]

    def read(value: object) -> typing.Any:  # noqa: ANN401
        if value is None:
            on_missing()
        return convert(value)

    if literal is float:
        return _number_test(clause, field, read)
    return _plain_test(clause, field, literal, read)


def _plain_test(clause: Clause, field: str, plain: type, read: _Read) -> Test:
    """Return a test on text or bools; `read` gives None for what is none."""
    values = frozenset(clause.values)

    def is_in(fields: Fields, _: Fields) -> bool:
        value = fields.get(field)
        if value.__class__ is not plain:
            value = read(value)
        return value in values

    def is_other(fields: Fields, _: Fields) -> bool:
        value = read(fields.get(field))
        return value is not None and value not in values

    prefix = clause.values[0]

    def has_prefix(fields: Fields, _: Fields) -> bool:
        value = read(fields.get(field))
        return value is not None and value.startswith(prefix)

    return {Op.IN: is_in, Op.NOT_IN: is_other, Op.PREFIX: has_prefix}[clause.op]


def _number_test(clause: Clause, field: str, read: _Read) -> Test:
    """Return a test on numbers; `read` gives NaN for what is none."""
    compare = _COMPARE[clause.op]
    operand = frozenset(clause.values) if clause.op in {Op.IN, Op.NOT_IN} else clause.values[0]

    def test(fields: Fields, _: Fields) -> bool:
        value = fields.get(field)
        if value.__class__ is not float and value.__class__ is not int:
            value = read(value)
        return compare(value, operand)

    return test


_COMPARE: Mapping[Op, Callable[[typing.Any, typing.Any], bool]] = {
    Op.IN: lambda value, values: value in values,
    Op.NOT_IN: lambda value, values: value == value and value not in values,
    Op.GT: operator.gt,
    Op.LT: operator.lt,
    Op.GE: operator.ge,
    Op.LE: operator.le,
}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _bool(value: object) -> bool | None:
    is_bool = isinstance(value, bool) or (
        type(value).__module__ == "numpy" and type(value).__name__ in {"bool", "bool_"}
    )  # a column of numpy has bools of its own, and numpy is not loaded for their sake
    return bool(value) if is_bool else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        return _NO_NUMBER
    return int(value) if isinstance(value, Integral) else float(value)


def _header_number(value: object) -> float:
    text = header_text(value) or ""
    found = _JSON_NUMBER.fullmatch(text)
    if not found:
        return _NO_NUMBER
    return float(text) if any(found.groups()) else int(text)


def _header_bool(value: object) -> bool | None:
    return _JSON_BOOLS.get(header_text(value) or "")


_FROM_FIELD: Mapping[type, _Read] = {str: _text, bool: _bool, float: _number}
_FROM_HEADER: Mapping[type, _Read] = {str: header_text, bool: _header_bool, float: _header_number}
