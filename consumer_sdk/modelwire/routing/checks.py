"""What a routing document must be on its own, before anyone asks what state it meets.

The checks run in a fixed order and raise the first fault, so that every reader of the log gives
the same reason (R19).
"""

import re
from collections.abc import Hashable, Sequence
from typing import TypeVar

from modelwire.routing.predicate import HEADER
from modelwire.routing.predicate_check import check_field, check_predicate
from modelwire.routing.ranges import check_whole
from modelwire_schemas import names
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Shadow, SplitBy

MAX_SALT = 100
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)


def check_document(document: RoutingDocument) -> None:
    """Raise Rejected with the first fault of a document.

    `E_NAME`, `E_VERSION`: a name or version that may not travel. `E_FIELD`: a field or header that
    is not well-formed. `E_RULES`: the rules are none, doubled, or the last one is not the only one
    that matches all. `E_VARIANTS`: a rule's variants are none, doubled, or carry what its split
    does not use. `E_WEIGHTS`: buckets that are not covered exactly once. `E_PARTITIONS`: doubled or
    impossible source partitions. `E_SALT`: a salt with a `|`, or one that a shadow's sample shares.
    `E_SAMPLE`: a sample out of [0, 10,000]. `E_TOO_COMPLEX`, `E_TYPE`: see `check_predicate`.
    """
    names.name("route", document.route)
    names.name("model", document.model)
    if document.time_field:
        _check_event_field("time field", document.time_field)
    if document.force_header:
        check_field("header", document.force_header)
    _check_rules(document.rules)
    for rule in document.rules:
        _check_rule(rule)
    for shadow in document.shadows:
        _check_shadow(shadow)
    _check_samples(document)
    for version in (*document.keep_warm, *document.fallback):
        names.version(version)


def check_reshuffle(before: RoutingDocument, after: RoutingDocument) -> None:
    """Raise Rejected `E_RESHUFFLE` where keys would be drawn anew without saying so (R27)."""
    redrawn = () if after.reshuffle else redraws(before, after)
    for old, new in redrawn:
        raise Rejected(
            "E_RESHUFFLE",
            f"rule {new.name} draws its keys anew while versions share them",
            expected=f"salt {old.split.salt!r}, by {old.split.by}, field {old.split.field!r}",
            todo="keep them, or say reshuffle: true",
        )


def redraws(before: RoutingDocument, after: RoutingDocument) -> tuple[tuple[Rule, Rule], ...]:
    """Return the rules, before and after, that divide the same events by another draw.

    A draw is a salt and what is hashed: the key, a field or the event. It may change freely where
    one version has everything, before or after. Rules are compared by name, and the last one with
    the last one.
    """
    earlier = {rule.name: rule for rule in before.rules}
    earlier.setdefault(after.rules[-1].name, before.rules[-1])
    pairs = [(earlier[rule.name], rule) for rule in after.rules if rule.name in earlier]
    changed = [pair for pair in pairs if pair[0].split != pair[1].split]
    return tuple([pair for pair in changed if all(map(_is_drawn, pair))])


def _is_drawn(rule: Rule) -> bool:
    """Whether buckets decide who gets which version."""
    shared = len({v.version for v in rule.variants if v.weight}) > 1
    return shared and rule.split.by is not SplitBy.PARTITION


def _check_rules(rules: tuple[Rule, ...]) -> None:
    if not rules:
        raise _wrong_rules("a document without a rule", "a rule or more")
    for rule in rules:
        names.name("rule", rule.name)
    if (doubled := _doubled([rule.name for rule in rules])) is not None:
        raise _wrong_rules(f"rule {doubled} twice", "every name once")
    if rules[-1].match is not None:
        raise _wrong_rules(
            f"the last rule, {rules[-1].name}, has a match", "a last rule that matches all"
        )
    for rule in rules[:-1]:
        if rule.match is None:
            raise _wrong_rules(
                f"rule {rule.name} matches all, so nothing behind it is asked", "a match"
            )


def _check_rule(rule: Rule) -> None:
    if rule.match is not None:
        check_predicate(rule.match)
    _check_split(rule)
    if not rule.variants:
        raise _wrong_variants(f"rule {rule.name} without a variant", "a variant or more")
    for variant in rule.variants:
        names.name("variant", variant.name)
        names.version(variant.version)
    if (doubled := _doubled([v.name for v in rule.variants])) is not None:
        raise _wrong_variants(f"variant {doubled} twice in rule {rule.name}", "every name once")
    if rule.split.by is SplitBy.PARTITION:
        _check_partitions(rule)
    else:
        _check_buckets(rule)


def _check_split(rule: Rule) -> None:
    split = rule.split
    _check_salt("rule", rule.name, split.salt)
    if not split.field:
        return
    _check_event_field(f"split field of rule {rule.name}", split.field)
    if split.by is not SplitBy.KEY:
        raise Rejected(
            "E_FIELD",
            f"rule {rule.name} splits by {split.by} and names the field {split.field}",
            expected="a field only where a rule splits by key",
            todo="leave the field out",
        )


def _check_buckets(rule: Rule) -> None:
    for variant in rule.variants:
        if variant.partitions:
            raise _wrong_variants(
                f"variant {variant.name} of rule {rule.name} lists partitions",
                f"buckets, because the rule splits by {rule.split.by}",
            )
    check_whole(rule.variants)


def _check_partitions(rule: Rule) -> None:
    for variant in rule.variants:
        if variant.buckets:
            raise _wrong_variants(
                f"variant {variant.name} of rule {rule.name} has buckets",
                "partitions, because the rule splits by partition",
            )
        for topic, partition in variant.partitions:
            if not _TOPIC.fullmatch(topic) or partition < 0:
                raise _wrong_partitions(f"partition {partition} of topic {topic!r}")
    pairs = [pair for variant in rule.variants for pair in variant.partitions]
    if (doubled := _doubled(pairs)) is not None:
        raise _wrong_partitions(f"partition {doubled[1]} of topic {doubled[0]} twice")


def _check_shadow(shadow: Shadow) -> None:
    names.version(shadow.version)
    _check_salt("shadow", shadow.version, shadow.salt)
    if not 0 <= shadow.sample <= BUCKETS:
        raise Rejected(
            "E_SAMPLE",
            f"sample {shadow.sample} of shadow {shadow.version}",
            expected=f"0 to {BUCKETS:,}",
            todo="mend the sample",
        )
    if shadow.match is not None:
        check_predicate(shadow.match)


def _check_samples(document: RoutingDocument) -> None:
    """Refuse a sample that would hold the same keys as a split or as another sample (R27).

    Rules may share a salt: an event meets one split only.
    """
    sampled = [shadow for shadow in document.shadows if shadow.sample not in {0, BUCKETS}]
    if not sampled:
        return
    used = {rule.split.salt for rule in document.rules if _is_drawn(rule)}
    for shadow in sampled:
        if shadow.salt in used:
            raise Rejected(
                "E_SALT",
                f"shadow {shadow.version} samples with the salt {shadow.salt!r} of another draw",
                expected="a salt of its own",
                todo="give the shadow another salt",
            )
        used.add(shadow.salt)


def _check_event_field(what: str, field: str) -> None:
    if field.startswith(HEADER):
        raise Rejected(
            "E_FIELD",
            f"{what} {field!r} is a header",
            expected="a field of the event",
            todo="name a field",
        )
    check_field(what, field)


def _check_salt(kind: str, name: str, salt: str) -> None:
    if "|" in salt or not names.printable(salt) or len(salt) > MAX_SALT:
        raise Rejected(
            "E_SALT",
            f"salt {salt!r} of {kind} {name}",
            expected=f"at most {MAX_SALT} printable characters without a |",
            todo="choose another salt",
        )


_T = TypeVar("_T", bound=Hashable)


def _doubled(things: Sequence[_T]) -> _T | None:
    """Return the first thing that comes a second time."""
    if len(set(things)) == len(things):
        return None
    return next(thing for i, thing in enumerate(things) if thing in things[:i])


def _wrong_rules(what: str, expected: str) -> Rejected:
    return Rejected("E_RULES", what, expected=expected, todo="mend the rules")


def _wrong_variants(what: str, expected: str) -> Rejected:
    return Rejected("E_VARIANTS", what, expected=expected, todo="mend the variants")


def _wrong_partitions(what: str) -> Rejected:
    return Rejected(
        "E_PARTITIONS",
        what,
        expected="a topic and a partition from 0 up, each pair once",
        todo="mend the partitions",
    )
