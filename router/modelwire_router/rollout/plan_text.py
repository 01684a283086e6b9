"""A plan as canonical JSON text and back: so it travels inside a routing document (pure).

Every field is written, in the order of its class, so equal plans are equal texts on every machine.
A field that is missing has its default: texts written before it was invented stay readable.
"""

import math
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from reprlib import repr as shown
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import orjson

from modelwire.control.state import RouteState
from modelwire_router.rollout.plan import Plan
from modelwire_schemas import routing
from modelwire_schemas.errors import Rejected
from modelwire_schemas.predicates import Node, flatten, restore

EXACT = 2**53
"""Up to here an integer and the float that equals it are written alike."""


def dump(plan: Plan) -> str:
    """Return the canonical text of a plan.

    Raises Rejected `E_TOO_COMPLEX` for a large condition, `E_PLAN` for a number that is none.
    """
    return orjson.dumps(_plain(plan)).decode()


@lru_cache(maxsize=4096)
def load(text: str) -> Plan:
    """Return the plan of a text, which is read once.

    Raises Rejected `E_PLAN` for what this version cannot read.
    """
    try:
        said: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _fault(f"no JSON: {error}", "plan") from None
    return cast("Plan", _typed(Plan, said, "plan"))


def last_plan(route: RouteState | None) -> Plan | None:
    """Return the plan of a route's last rollout, over or not; None when somebody flipped since."""
    rollout = route.rollout if route else None
    return load(rollout.plan) if rollout else None


def _plain(value: object) -> object:
    if isinstance(value, routing.Clause | routing.All | routing.Any | routing.Not):
        return _plain(flatten(value))
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[object, ...]", value)]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise _fault(f"{value} is no number", "plan")
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


def _typed(kind: Any, value: object, where: str) -> object:  # noqa: ANN401 - any annotation
    """Return a JSON value as what the annotation of a field asks for."""
    choices = get_args(kind)
    if is_dataclass(kind):
        return _words(cast("type", kind), value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise _fault(f"{shown(value)} is no list", where)
        items = cast("list[object]", value)
        kinds = [choices[0]] * len(items) if choices[-1] is ... else choices
        if len(kinds) != len(items):
            raise _fault(f"{shown(items)} has not {len(kinds)} items", where)
        return tuple(
            _typed(k, item, f"{where}[{i}]")
            for i, (k, item) in enumerate(zip(kinds, items, strict=True))
        )
    if get_origin(kind) is Literal:
        if value not in choices:
            raise _fault(f"{shown(value)} is not {choices[0]!r}", where)
        return value
    return _one_of(choices, value, where) if choices else _scalar(kind, value, where)


def _words(kind: type, value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise _fault(f"{shown(value)} is no mapping", where)
    said = cast("dict[str, object]", value)
    known, needed = _fields(kind)
    wrong = [f"unknown field {key!r}" for key in said if key not in known]
    wrong += [f"no field {key!r}" for key in needed if key not in said]
    if wrong:
        raise _fault(", ".join(wrong), where)
    return kind(**{key: _typed(known[key], item, f"{where}.{key}") for key, item in said.items()})


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], tuple[str, ...]]:  # noqa: ANN401 - a dataclass
    """Return the annotations of a class by field, and the fields that have no default."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    return {name: hints[name] for name in names}, tuple(needed)


def _one_of(kinds: tuple[Any, ...], value: object, where: str) -> object:
    """Return a value as the first kind that it fits."""
    if routing.Clause in kinds and value is not None:
        return _condition(value, where)
    faults: list[str] = []
    for kind in kinds:
        try:
            return _typed(kind, value, where)
        except Rejected as error:
            faults.append(error.what)
    raise _fault("; ".join(dict.fromkeys(faults)), where)


def _condition(value: object, where: str) -> routing.Predicate:
    nodes = cast("tuple[Node, ...]", _typed(tuple[Node, ...], value, where))
    try:
        condition = restore(nodes)
    except Rejected as error:
        raise _fault(error.what, where) from None
    if condition is None:
        raise _fault("a condition without a node", where)
    return condition


def _scalar(kind: type, value: object, where: str) -> object:
    if issubclass(kind, Enum) and isinstance(value, str) and value in {w.value for w in kind}:
        return kind(value)
    if kind is float and type(value) in {int, float}:
        return float(cast("float", value))
    if type(value) is not kind:
        raise _fault(f"{shown(value)} is no {kind.__name__}", where)
    return value


def _fault(what: str, where: str) -> Rejected:
    return Rejected(
        "E_PLAN",
        what,
        where=where,
        expected="a plan as this version writes it",
        todo="read it with the modelwire that wrote it, or a newer one",
    )
