"""Conditions in rollout files, as in Kubernetes, compiled to predicates (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from modelwire.routing.predicate_check import check_predicate
from modelwire_router.rollout_file.asking import Part, Wrong, fault, fields, items, with_more
from modelwire_router.rollout_file.near import nearest
from modelwire_router.rollout_file.words import Key, Line
from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_DEPTH, MAX_NODES
from modelwire_schemas.release import Scalar
from modelwire_schemas.routing import All, Any as AnyOf, Clause, Not, Op, Predicate

_EXPRESSIONS = ("regex", "regexp", "match", "matches", "like", "~", "=~", "glob", "pattern")


def _operator(value: object) -> Op:
    known = ", ".join(Op)
    if not isinstance(value, str):
        raise fault("E_OPERATOR", f"{value!r} is no operator", f"one of {known}")
    if value.lower() in _EXPRESSIONS:
        raise fault(
            "E_OPERATOR",
            f"{value} would be a regular expression",
            f"one of {known}",
            "use Prefix or In, or compute a field before the event is sent",
        )
    try:
        return Op(value)
    except ValueError:
        todo = nearest(value, Op)
        raise fault("E_OPERATOR", f"{value!r} is no operator", f"one of {known}", todo) from None


Operator = Annotated[
    Op, BeforeValidator(_operator), WithJsonSchema({"type": "string", "enum": [*Op]})
]


def _value(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    raise fault("E_TYPE", f"{value!r} in a list of values", "text in quotes, a number or a bool")


class Expression(Part):
    """One comparison of a field or header."""

    key: Key
    """`event.FIELD` or `header.NAME`."""
    operator: Operator
    """In, NotIn, Exists, DoesNotExist, Gt, Lt, Ge, Le or Prefix."""
    values: list[Annotated[Scalar, BeforeValidator(_value)]] = Field(default=[])
    """Text in quotes, numbers, or true and false; all of one kind."""

    @model_validator(mode="after")
    def _fits(self) -> "Expression":
        try:
            check_predicate(self.clause())
        except Rejected as error:
            raise fault(error.code, error.what, error.expected, error.todo) from None
        return self

    def clause(self) -> Clause:
        """Return the comparison as it travels."""
        return Clause(self.key, self.operator, tuple(self.values))


class Match(Part):
    """A condition; all that stands in it must hold."""

    match_labels: dict[Key, Line] = Field(default={})
    """Fields or headers that must equal a text."""
    match_expressions: list[Expression] = Field(default=[])
    """Comparisons that must hold."""
    all_: "list[Match]" = Field(default=[], alias="all")
    """Conditions that must all hold."""
    any_: "list[Match]" = Field(default=[], alias="any")
    """Conditions of which one must hold."""
    not_: "Match | SkipJsonSchema[None]" = Field(default=None, alias="not")
    """A condition that must not hold."""

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        """See `Part`."""
        if not any(said.values()):
            yield Wrong((), "E_MATCH", "the condition says nothing", "matchExpressions, or another")

    def predicate(self) -> Predicate:
        """Return the condition as it travels."""
        parts: list[Predicate] = [Clause(k, Op.IN, (v,)) for k, v in self.match_labels.items()]
        parts += [expression.clause() for expression in self.match_expressions]
        if self.all_:
            parts.append(All(tuple(match.predicate() for match in self.all_)))
        if self.any_:
            parts.append(AnyOf(tuple(match.predicate() for match in self.any_)))
        if self.not_ is not None:
            parts.append(Not(self.not_.predicate()))
        return parts[0] if len(parts) == 1 else All(tuple(parts))


def _bounded(said: object, handler: ModelWrapValidatorHandler[Match]) -> Match:
    return with_more(_too_large, said, handler)


def _too_large(said: Mapping[str, Any]) -> Iterator[Wrong]:
    nodes, depth = _size(said)
    if nodes > MAX_NODES or depth > MAX_DEPTH:
        yield Wrong(
            (),
            "E_TOO_COMPLEX",
            f"a condition of {nodes} nodes and {depth} levels",
            f"at most {MAX_NODES} nodes and {MAX_DEPTH} levels",
            "simplify it, or compute a field for it before the event is sent",
        )


def _size(said: object) -> tuple[int, int]:
    """Return how many nodes a condition compiles to, and how deep they lie."""
    match = fields(said)
    parts = [(1, 1)] * len(fields(match.get("matchLabels")))
    parts += [(1, 1)] * len(items(match.get("matchExpressions")))
    parts += [_around(list(map(_size, items(match[g])))) for g in ("all", "any") if match.get(g)]
    parts += [_around([_size(match["not"])])] if match.get("not") else []
    return parts[0] if len(parts) == 1 else _around(parts)


def _around(parts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    nodes, depths = [n for n, _ in parts], [d for _, d in parts]
    return 1 + sum(nodes), 1 + max(depths, default=0)


Condition = Annotated[Match, WrapValidator(_bounded)]
