"""Routing documents as YAML: what people write, read strictly, weights turned into buckets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from modelwire.control.state import State
from modelwire.routing.ranges import from_percent, reweigh
from modelwire_publisher.plain_yaml import load, misread, read, read_file
from modelwire_schemas.errors import Rejected, RejectedFile
from modelwire_schemas.names import name, version
from modelwire_schemas.release import Scalar
from modelwire_schemas.routing import (
    BUCKETS,
    All,
    Any as AnyOf,
    Clause,
    Not,
    Op,
    Predicate,
    RoutingDocument,
    Rule,
    Shadow,
    Split,
    SplitBy,
    Staleness,
    Variant,
)

T = TypeVar("T")
Said = Mapping[str, Any]

DOCUMENT = frozenset(
    {"route", "model", "rules", "shadows", "keep_warm", "fallback", "force_header"}
    | {"time_field", "staleness", "contract", "reshuffle"}
)
RULE = frozenset({"name", "match", "split", "variants"})
SPLIT = frozenset({"by", "salt", "field"})
VARIANT = frozenset({"name", "version", "weight", "buckets", "partitions"})
SHADOW = frozenset({"version", "sample", "salt", "match", "thresholds"})
CLAUSE = frozenset({"field", "op", "values"})


def read_documents(path: Path, state: State) -> list[RoutingDocument]:
    """Return the documents of a YAML file: one mapping, or a list of them.

    A variant says `weight` in percent, or `buckets`; weights become the ranges that move the
    fewest keys from the document in `state` (R26). Raises Rejected `E_DOCUMENT` with the place in
    the file, and what the words in it raise: `E_VERSION`, `E_WEIGHTS`, `E_NAME`; RejectedFile
    for what YAML reads as something else, as an unquoted NO.
    """
    plain = read_file(path)
    odd = [f for each in read(plain, str(path))[0] for _, f in misread(each, str(path))]
    if odd:
        raise RejectedFile(odd)
    content = load(plain, where=str(path))
    if content is None:
        expected = "kind: Rollout, or a document with route: and rules:"
        raise Rejected("E_EMPTY", "the file says nothing", where=str(path), expected=expected)
    said = cast("list[object]", content) if isinstance(content, list) else [content]
    return [_document(one, f"{path.name}[{i}]", state) for i, one in enumerate(said)]


def _document(said: object, where: str, state: State) -> RoutingDocument:
    fields = _fields(said, where, DOCUMENT)
    route = name("route", fields.get("route"))
    before = state.routes.get(route)
    old = {rule.name: rule for rule in before.head.document.rules} if before else {}
    rules = [
        _rule(one, f"{where}.rules[{i}]", route, old)
        for i, one in enumerate(_list(fields, "rules", where))
    ]
    return RoutingDocument(
        route=route,
        model=name("model", fields.get("model", route)),
        rules=tuple(rules),
        shadows=tuple(
            _shadow(one, f"{where}.shadows[{i}]")
            for i, one in enumerate(_list(fields, "shadows", where))
        ),
        keep_warm=tuple(version(v) for v in _list(fields, "keep_warm", where)),
        fallback=tuple(version(v) for v in _list(fields, "fallback", where)),
        force_header=_text(fields, "force_header", where),
        time_field=_text(fields, "time_field", where),
        staleness=_word(Staleness, fields.get("staleness", "continue"), f"{where}.staleness"),
        contract_changed=_changed(fields, where),
        reshuffle=_flag(fields, "reshuffle", where),
    )


def _rule(said: object, where: str, route: str, old: Mapping[str, Rule]) -> Rule:
    fields = _fields(said, where, RULE)
    title = name("rule", fields.get("name", "all"))
    before = old.get(title)
    split = _split(fields.get("split", {}), f"{where}.split", route, before)
    given = [
        _fields(one, f"{where}.variants[{i}]", VARIANT)
        for i, one in enumerate(_list(fields, "variants", where))
    ]
    match = fields.get("match")
    return Rule(
        name=title,
        variants=_variants(given, f"{where}.variants", before, split.by),
        split=split,
        match=None if match is None else _predicate(match, f"{where}.match"),
    )


def _split(said: object, where: str, route: str, before: Rule | None) -> Split:
    fields = _fields(said, where, SPLIT)
    old = before.split if before else Split(salt=route)
    return Split(
        by=_word(SplitBy, fields.get("by", str(old.by)), f"{where}.by"),
        salt=_text(fields, "salt", where) or old.salt,
        field=_text(fields, "field", where),
    )


def _variants(
    given: Sequence[Said], where: str, before: Rule | None, by: SplitBy
) -> tuple[Variant, ...]:
    if len(given) == 1 and by is not SplitBy.PARTITION:
        given = [{"weight": 100, **given[0]}]
    named = [_named(one) for one in given]
    weighed = [one for one in given if "weight" in one and "buckets" not in one]
    if weighed and len(weighed) != len(given):
        raise _fault("some variants have a weight and some have none", where, "all, or none")
    if weighed and by is not SplitBy.PARTITION:
        counts = from_percent({f"{i}": str(one["weight"]) for i, one in enumerate(given)})
        weights = [(*pair, counts[f"{i}"]) for i, pair in enumerate(named)]
        return reweigh(before.variants if before else (), weights)
    return tuple(
        Variant(
            title,
            number,
            tuple(_pair(p, where) for p in _list(one, "buckets", where)),
            tuple(_place(p, where) for p in _list(one, "partitions", where)),
        )
        for one, (title, number) in zip(given, named, strict=True)
    )


def _named(said: Said) -> tuple[str, str]:
    number = version(said.get("version"))
    return name("variant", said.get("name", number)), number


def _shadow(said: object, where: str) -> Shadow:
    fields = _fields(said, where, SHADOW)
    match = fields.get("match")
    sample = fields.get("sample", BUCKETS)
    if type(sample) is not int:
        raise _fault(f"sample is {sample!r}", where, f"a number of buckets, 0 to {BUCKETS}")
    return Shadow(
        version=version(fields.get("version")),
        sample=sample,
        salt=_text(fields, "salt", where),
        match=None if match is None else _predicate(match, f"{where}.match"),
        thresholds=_thresholds(fields.get("thresholds", {}), f"{where}.thresholds"),
    )


def _thresholds(said: object, where: str) -> tuple[tuple[str, float], ...]:
    if not isinstance(said, Mapping):
        raise _fault(f"{said!r}", where, "a mapping: an output and where it is decided")
    named = cast("Mapping[object, Any]", said)
    for output, value in named.items():
        if not isinstance(output, str) or type(value) not in {int, float}:
            raise _fault(f"{output}: {value!r}", where, "an output and a number")
    return tuple((f"{output}", float(value)) for output, value in named.items())


def _predicate(said: object, where: str) -> Predicate:
    if not isinstance(said, Mapping):
        raise _fault(f"{said!r}", where, "a mapping: all, any, not, or field, op and values")
    fields = cast("Said", said)
    kinds = [kind for kind in ("all", "any", "not") if kind in fields]
    if not kinds:
        return _clause(fields, where)
    if len(fields) > 1:
        raise _fault(f"{', '.join(fields)} together", where, "only one of all, any, not")
    if kinds == ["not"]:
        return Not(_predicate(fields["not"], f"{where}.not"))
    parts = tuple(
        _predicate(one, f"{where}.{kinds[0]}[{i}]")
        for i, one in enumerate(_list(fields, kinds[0], where))
    )
    return All(parts) if kinds == ["all"] else AnyOf(parts)


def _clause(said: Said, where: str) -> Clause:
    fields = _fields(said, where, CLAUSE)
    return Clause(
        field=_text(fields, "field", where),
        op=_word(Op, fields.get("op", "In"), f"{where}.op"),
        values=tuple(cast("Sequence[Scalar]", _list(fields, "values", where))),
    )


def _fields(said: object, where: str, known: frozenset[str]) -> Said:
    if not isinstance(said, Mapping):
        raise _fault(f"{said!r}", where, f"a mapping of {', '.join(sorted(known))}")
    fields = cast("Said", said)
    unknown = [str(key) for key in fields if key not in known]
    if unknown:
        raise _fault(f"unknown: {', '.join(unknown)}", where, f"one of {', '.join(sorted(known))}")
    return fields


def _list(fields: Said, key: str, where: str) -> Sequence[Any]:
    value = fields.get(key, [])
    if not isinstance(value, list):
        raise _fault(f"{key} is {value!r}", where, "a list")
    return cast("Sequence[Any]", value)


def _text(fields: Said, key: str, where: str) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str):
        raise _fault(f"{key} is {value!r}", where, f'text: "{value}"')
    return value


def _flag(fields: Said, key: str, where: str) -> bool:
    value = fields.get(key, False)
    if not isinstance(value, bool):
        raise _fault(f"{key} is {value!r}", where, "true or false")
    return value


def _changed(fields: Said, where: str) -> bool:
    value = fields.get("contract", "same")
    if value not in ("same", "changed"):
        raise _fault(f"contract is {value!r}", where, "same or changed")
    return bool(value == "changed")


def _word(words: type[T], value: object, where: str) -> T:
    try:
        return words(value)  # type: ignore[call-arg]
    except ValueError:
        known = ", ".join(str(word) for word in cast("Sequence[object]", words))
        raise _fault(f"{value!r}", where, f"one of {known}") from None


def _pair(said: object, where: str) -> tuple[int, int]:
    pair = cast("Sequence[object]", said) if isinstance(said, list) else ()
    if len(pair) != 2 or not all(type(bound) is int for bound in pair):
        raise _fault(f"buckets {said!r}", where, "[start, end)")
    start, end = cast("tuple[int, int]", tuple(pair))
    return start, end


def _place(said: object, where: str) -> tuple[str, int]:
    pair = cast("Sequence[object]", said) if isinstance(said, list) else ()
    if len(pair) != 2 or not isinstance(pair[0], str) or type(pair[1]) is not int:
        raise _fault(f"partition {said!r}", where, "[topic, number]")
    return pair[0], pair[1]


def _fault(what: str, where: str, expected: str) -> Rejected:
    return Rejected("E_DOCUMENT", what, where=where, expected=expected)
