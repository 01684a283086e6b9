"""Documents that may not stand, each with the code that every reader gives."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from modelwire.routing.checks import check_document, check_reshuffle
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import (
    BUCKETS,
    Clause,
    Op,
    RoutingDocument,
    Rule,
    Shadow,
    Split,
    SplitBy,
    Variant,
)
from tests.consumer_sdk.routing.strategies import documents

GOLD = Clause("tier", Op.IN, ("gold",))
WHOLE = (Variant("stable", "7", ((0, BUCKETS),)),)
HALVES = (Variant("a", "7", ((0, 5000),)), Variant("b", "8", ((5000, BUCKETS),)))
EVERYONE = Rule("everyone", WHOLE)
SPLIT = Rule("everyone", HALVES, Split(salt="s"))


def document(*rules: Rule, **others: Any) -> RoutingDocument:  # noqa: ANN401
    return RoutingDocument("flights-late", "late", rules or (EVERYONE,), **others)


def by_partition(*pairs: Sequence[tuple[str, int]]) -> RoutingDocument:
    sides = tuple(Variant("abc"[i], "7", partitions=tuple(p)) for i, p in enumerate(pairs))
    return document(Rule("everyone", sides, Split(SplitBy.PARTITION)))


@given(documents())
def test_any_sound_document_passes(some: RoutingDocument) -> None:
    check_document(some)


@pytest.mark.parametrize(
    "some",
    [
        pytest.param(document(), id="one-version"),
        pytest.param(document(replace(EVERYONE, name="gold", match=GOLD), SPLIT), id="two-rules"),
        pytest.param(
            document(replace(SPLIT, name="gold", match=GOLD), SPLIT), id="rules-may-share-a-salt"
        ),
        pytest.param(
            document(Rule("all", (*WHOLE, Variant("next", "8")))), id="weight-0-is-held-warm"
        ),
        pytest.param(
            by_partition([("t", 0), ("t", 1)], []), id="the-last-takes-what-is-not-listed"
        ),
        pytest.param(by_partition([], []), id="nothing-listed"),
        pytest.param(
            document(SPLIT, shadows=(Shadow("9"), Shadow("8", 0))), id="shadows-of-all-and-nothing"
        ),
        pytest.param(
            document(SPLIT, shadows=(Shadow("9", 2000, "x"), Shadow("8", 2000, "y"))),
            id="samples-with-salts-of-their-own",
        ),
        pytest.param(document(shadows=(Shadow("9", 2000),)), id="a-sample-where-nothing-is-split"),
        pytest.param(
            document(time_field="departed_at", force_header="x-version", fallback=("6",)),
            id="with-everything",
        ),
    ],
)
def test_a_sound_document_passes(some: RoutingDocument) -> None:
    check_document(some)


@pytest.mark.parametrize(
    ("code", "faulty"),
    [
        ("E_NAME", replace(document(), route="a/b")),
        ("E_NAME", replace(document(), model="a\0b")),
        ("E_FIELD", document(time_field="a;b")),
        ("E_FIELD", document(time_field="header.at")),
        ("E_FIELD", document(force_header="__x")),
        ("E_RULES", replace(document(), rules=())),
        ("E_NAME", document(replace(EVERYONE, name="a b"))),
        ("E_RULES", document(replace(EVERYONE, match=GOLD), EVERYONE)),
        ("E_RULES", document(replace(EVERYONE, match=GOLD))),
        ("E_RULES", document(replace(EVERYONE, name="first"), EVERYONE)),
        ("E_FIELD", document(replace(EVERYONE, name="x", match=Clause("", Op.EXISTS)), EVERYONE)),
        ("E_TYPE", document(replace(EVERYONE, name="x", match=Clause("a", Op.GT)), EVERYONE)),
        ("E_SALT", document(replace(SPLIT, split=Split(salt="a|b")))),
        ("E_SALT", document(replace(SPLIT, split=Split(salt="a\nb")))),
        ("E_SALT", document(replace(SPLIT, split=Split(salt="\ud800")))),
        ("E_SALT", document(replace(SPLIT, split=Split(salt="a" * 101)))),
        ("E_FIELD", document(replace(SPLIT, split=Split(field="a b")))),
        ("E_FIELD", document(replace(SPLIT, split=Split(field="header.a")))),
        ("E_FIELD", document(replace(SPLIT, split=Split(SplitBy.EVENT, field="a")))),
        ("E_VARIANTS", document(Rule("everyone", ()))),
        ("E_NAME", document(Rule("everyone", (Variant("", "7", ((0, BUCKETS),)),)))),
        ("E_VERSION", document(Rule("everyone", (Variant("a", "7/8", ((0, BUCKETS),)),)))),
        ("E_VARIANTS", document(Rule("everyone", (*WHOLE, *WHOLE)))),
        ("E_WEIGHTS", document(Rule("everyone", HALVES[:1]))),
        ("E_WEIGHTS", document(Rule("everyone", HALVES[:1], Split(SplitBy.EVENT)))),
        ("E_VARIANTS", document(Rule("everyone", (*WHOLE, Variant("b", "8", (), (("t", 0),)))))),
        ("E_VARIANTS", document(Rule("everyone", WHOLE, Split(SplitBy.PARTITION)))),
        ("E_PARTITIONS", by_partition([("t", 0)], [("t", 0)])),
        ("E_PARTITIONS", by_partition([("t", 0), ("t", 0)])),
        ("E_PARTITIONS", by_partition([("a/b", 0)])),
        ("E_PARTITIONS", by_partition([("t", -1)])),
        ("E_VERSION", document(shadows=(Shadow(""),))),
        ("E_SALT", document(shadows=(Shadow("9", 2000, "a|b"),))),
        ("E_SAMPLE", document(shadows=(Shadow("9", -1),))),
        ("E_SAMPLE", document(shadows=(Shadow("9", BUCKETS + 1),))),
        ("E_TYPE", document(shadows=(Shadow("9", match=Clause("a", Op.IN)),))),
        ("E_SALT", document(SPLIT, shadows=(Shadow("9", 2000, "s"),))),
        ("E_SALT", document(shadows=(Shadow("9", 2000, "x"), Shadow("8", 3000, "x")))),
        ("E_VERSION", document(keep_warm=("7 8",))),
        ("E_VERSION", document(fallback=("",))),
    ],
)
def test_an_unsound_document_says_why(code: str, faulty: RoutingDocument) -> None:
    with pytest.raises(Rejected) as caught:
        check_document(faulty)
    assert caught.value.code == code
    assert caught.value.expected
    assert caught.value.todo


def test_of_several_faults_the_first_in_the_order_of_the_checks_is_told() -> None:
    faulty = document(Rule("everyone", HALVES[:1], Split(salt="a|b")), keep_warm=("7 8",))
    with pytest.raises(Rejected, match=r"^E_SALT: "):
        check_document(faulty)
    with pytest.raises(Rejected, match=r"^E_NAME: "):
        check_document(replace(faulty, route="a/b"))


OTHER_SALT = replace(SPLIT, split=Split(salt="t"))
OTHER_FIELD = replace(SPLIT, split=Split(salt="s", field="tailnum"))
BY_EVENT = replace(SPLIT, split=Split(SplitBy.EVENT, "s"))
WHOLE_OTHER_SALT = replace(EVERYONE, split=Split(salt="t"))
ROLLING = Rule(
    "everyone", (Variant("a", "7", (), (("t", 0),)), Variant("b", "8")), Split(SplitBy.PARTITION)
)
GOLD_SPLIT = replace(SPLIT, name="gold", match=GOLD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([SPLIT], [OTHER_SALT], id="another-salt"),
        pytest.param([SPLIT], [OTHER_FIELD], id="another-key"),
        pytest.param([SPLIT], [BY_EVENT], id="by-event-instead-of-by-key"),
        pytest.param([SPLIT], [replace(OTHER_SALT, name="renamed")], id="the-last-rule-renamed"),
        pytest.param(
            [GOLD_SPLIT, EVERYONE],
            [replace(GOLD_SPLIT, split=Split(salt="t")), EVERYONE],
            id="in-a-rule-with-a-condition",
        ),
    ],
)
def test_keys_are_drawn_anew_only_when_the_document_says_so(
    before: list[Rule], after: list[Rule]
) -> None:
    with pytest.raises(Rejected, match=r"^E_RESHUFFLE: "):
        check_reshuffle(document(*before), document(*after))
    check_reshuffle(document(*before), document(*after, reshuffle=True))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([SPLIT], [replace(SPLIT, variants=HALVES[::-1])], id="the-same-salt"),
        pytest.param([EVERYONE], [OTHER_SALT], id="from-one-version"),
        pytest.param([SPLIT], [WHOLE_OTHER_SALT], id="to-one-version"),
        pytest.param([SPLIT], [ROLLING], id="to-partitions"),
        pytest.param([ROLLING], [OTHER_SALT], id="from-partitions"),
        pytest.param([SPLIT], [replace(GOLD_SPLIT, split=Split(salt="t")), SPLIT], id="a-new-rule"),
    ],
)
def test_where_nobody_is_drawn_anew_a_salt_may_change(
    before: list[Rule], after: list[Rule]
) -> None:
    check_reshuffle(document(*before), document(*after))
