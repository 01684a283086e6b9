"""What a condition says about an event: one row a situation."""

import math
from fractions import Fraction

import numpy as np
import pytest

from modelwire.routing.predicate import Choices, choices, compile_predicate, fields
from modelwire_schemas.routing import All, Any, Clause, Not, Op, Predicate


def asked(
    predicate: Predicate, attributes: dict[str, object], headers: dict[str, object] | None = None
) -> tuple[bool, int]:
    """Return what the condition says, and how many fields it missed."""
    missed: list[None] = []
    test = compile_predicate(predicate, lambda: missed.append(None))
    return test(attributes, headers or {}), len(missed)


def test_a_closure_answers_with_a_bool_even_about_numpy() -> None:
    answer, _ = asked(Clause("x", Op.GT, (1,)), {"x": np.float32(2)})
    assert answer is True


ORIGIN = Clause("origin", Op.IN, ("EWR", "JFK"))
NOT_ORIGIN = Clause("origin", Op.NOT_IN, ("EWR", "JFK"))
MONTHS = Clause("month", Op.IN, (1, 2.5))
LATE = Clause("delay", Op.GT, (15,))
ON = Clause("on", Op.IN, (True,))


@pytest.mark.parametrize(
    ("clause", "value", "expected"),
    [
        pytest.param(ORIGIN, "JFK", True, id="text-in"),
        pytest.param(ORIGIN, np.str_("JFK"), True, id="text-of-numpy-in"),
        pytest.param(ORIGIN, "LGA", False, id="text-not-in"),
        pytest.param(ORIGIN, b"JFK", False, id="bytes-are-no-text"),
        pytest.param(ORIGIN, 5, False, id="a-number-is-no-text"),
        pytest.param(ORIGIN, ["JFK"], False, id="a-list-is-no-text"),
        pytest.param(NOT_ORIGIN, "LGA", True, id="text-in-none"),
        pytest.param(NOT_ORIGIN, "JFK", False, id="text-in-one"),
        pytest.param(NOT_ORIGIN, 5, False, id="another-kind-is-not-compared"),
        pytest.param(MONTHS, 1, True, id="number-in"),
        pytest.param(MONTHS, 1.0, True, id="one-is-one"),
        pytest.param(MONTHS, np.float32(2.5), True, id="number-of-numpy-in"),
        pytest.param(MONTHS, True, False, id="a-bool-is-no-number"),
        pytest.param(MONTHS, "1", False, id="text-is-no-number"),
        pytest.param(MONTHS, math.nan, False, id="nan-is-in-nothing"),
        pytest.param(Clause("month", Op.NOT_IN, (1,)), 2, True, id="number-in-none"),
        pytest.param(Clause("month", Op.NOT_IN, (1,)), math.nan, False, id="nan-is-not-outside"),
        pytest.param(Clause("month", Op.NOT_IN, (1,)), True, False, id="a-bool-is-not-outside"),
        pytest.param(LATE, 16, True, id="greater"),
        pytest.param(LATE, 15.5, True, id="greater-float"),
        pytest.param(LATE, 15, False, id="not-greater-when-equal"),
        pytest.param(LATE, np.int64(16), True, id="greater-of-numpy"),
        pytest.param(LATE, Fraction(31, 2), True, id="greater-fraction"),
        pytest.param(LATE, math.inf, True, id="infinity-is-greater"),
        pytest.param(LATE, math.nan, False, id="nan-is-not-greater"),
        pytest.param(LATE, "16", False, id="text-is-not-greater"),
        pytest.param(LATE, True, False, id="a-bool-is-not-greater"),
        pytest.param(Clause("delay", Op.LT, (15,)), 14, True, id="less"),
        pytest.param(Clause("delay", Op.LT, (15,)), math.nan, False, id="nan-is-not-less"),
        pytest.param(Clause("delay", Op.GE, (15,)), 15, True, id="greater-or-equal"),
        pytest.param(Clause("delay", Op.LE, (15,)), 15, True, id="less-or-equal"),
        pytest.param(Clause("delay", Op.GT, (2**62,)), 2**63, True, id="integers-are-exact"),
        pytest.param(Clause("delay", Op.GT, (2.0**53,)), 2**53 + 1, True, id="floats-do-not-round"),
        pytest.param(ON, True, True, id="bool-in"),
        pytest.param(ON, np.True_, True, id="bool-of-numpy-in"),
        pytest.param(ON, 1, False, id="one-is-not-true"),
        pytest.param(Clause("on", Op.NOT_IN, (True,)), False, True, id="bool-in-none"),
        pytest.param(Clause("tail", Op.PREFIX, ("N1",)), "N14228", True, id="prefix"),
        pytest.param(Clause("tail", Op.PREFIX, ("N1",)), "XN1", False, id="prefix-is-anchored"),
        pytest.param(Clause("tail", Op.PREFIX, ("N1",)), 14, False, id="a-number-has-no-prefix"),
        pytest.param(Clause("tail", Op.EXISTS), "", True, id="empty-text-exists"),
        pytest.param(Clause("tail", Op.EXISTS), math.nan, True, id="nan-exists"),
        pytest.param(Clause("tail", Op.DOES_NOT_EXIST), "", False, id="and-does-not-not-exist"),
    ],
)
def test_a_clause_about_a_field_that_is_there(
    clause: Clause, value: object, expected: object
) -> None:
    assert asked(clause, {clause.field: value}) == (expected, 0)


@pytest.mark.parametrize("attributes", [{}, {"x": None}], ids=["missing", "null"])
@pytest.mark.parametrize(
    ("op", "values", "expected", "missed"),
    [
        (Op.IN, ("a",), False, 1),
        (Op.NOT_IN, ("a",), False, 1),
        (Op.PREFIX, ("",), False, 1),
        (Op.GT, (1,), False, 1),
        (Op.LT, (1,), False, 1),
        (Op.NOT_IN, (1,), False, 1),
        (Op.NOT_IN, (True,), False, 1),
        (Op.EXISTS, (), False, 0),
        (Op.DOES_NOT_EXIST, (), True, 0),
    ],
)
def test_a_clause_about_a_field_that_is_not_there(
    op: Op,
    values: tuple[str | float, ...],
    expected: object,
    missed: int,
    attributes: dict[str, object],
) -> None:
    assert asked(Clause("x", op, values), attributes) == (expected, missed)
    assert asked(Clause("header.x", op, values), {"x": "a"}, attributes) == (expected, missed)


@pytest.mark.parametrize(
    ("clause", "value", "expected"),
    [
        pytest.param(Clause("header.h", Op.IN, ("a",)), "a", True, id="text"),
        pytest.param(Clause("header.h", Op.IN, ("é",)), "é".encode(), True, id="bytes-as-text"),
        pytest.param(
            Clause("header.h", Op.IN, ("a",)), b"\xff", False, id="bytes-that-are-no-text"
        ),
        pytest.param(Clause("header.h", Op.NOT_IN, ("a",)), b"\xff", False, id="are-not-outside"),
        pytest.param(Clause("header.h", Op.PREFIX, ("a",)), b"abc", True, id="prefix"),
        pytest.param(Clause("header.h", Op.IN, ("7",)), b"7", True, id="digits-as-text"),
        pytest.param(Clause("header.h", Op.IN, (7,)), b"7", True, id="digits-as-number"),
        pytest.param(Clause("header.h", Op.IN, (7,)), b"7.0", True, id="the-same-number"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "7.5", True, id="greater"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "1e1", True, id="with-an-exponent"),
        pytest.param(Clause("header.h", Op.LT, (7,)), "-8", True, id="less"),
        pytest.param(Clause("header.h", Op.GT, (7,)), " 8", False, id="a-space-is-no-number"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "1_0", False, id="python-spelling"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "\u0668", False, id="arabic-digits"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "nan", False, id="nan"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "", False, id="empty"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "9" * 5000, False, id="without-end"),
        pytest.param(Clause("header.h", Op.GT, (7,)), "1e9999", True, id="beyond-floats"),
        pytest.param(Clause("header.h", Op.IN, (True,)), b"true", True, id="bool"),
        pytest.param(
            Clause("header.h", Op.IN, (True,)), b"True", False, id="bool-as-python-says-it"
        ),
        pytest.param(Clause("header.h", Op.EXISTS), b"", True, id="exists"),
    ],
)
def test_a_clause_about_a_header(clause: Clause, value: object, expected: object) -> None:
    assert asked(clause, {"h": "another"}, {"h": value}) == (expected, 0)


YES, NO = Clause("a", Op.EXISTS), Clause("a", Op.DOES_NOT_EXIST)


@pytest.mark.parametrize("parts", [(YES,) * n for n in range(1, 9)])
def test_all_is_true_when_every_part_is(parts: tuple[Predicate, ...]) -> None:
    assert asked(All(parts), {"a": 1}) == (True, 0)
    for at in range(len(parts)):
        one_wrong = (*parts[:at], NO, *parts[at + 1 :])
        assert asked(All(one_wrong), {"a": 1}) == (False, 0)


@pytest.mark.parametrize("parts", [(NO,) * n for n in range(1, 9)])
def test_any_is_true_when_one_part_is(parts: tuple[Predicate, ...]) -> None:
    assert asked(Any(parts), {"a": 1}) == (False, 0)
    for at in range(len(parts)):
        one_right = (*parts[:at], YES, *parts[at + 1 :])
        assert asked(Any(one_right), {"a": 1}) == (True, 0)


def test_not_turns_a_clause_round_also_where_its_field_is_missing() -> None:
    assert asked(Not(ORIGIN), {"origin": "JFK"}) == (False, 0)
    assert asked(Not(ORIGIN), {}) == (True, 1)


def test_what_decides_early_asks_no_further() -> None:
    assert asked(All((ORIGIN, LATE)), {"origin": "LGA"}) == (False, 0)
    assert asked(Any((ORIGIN, LATE)), {"origin": "JFK"}) == (True, 0)


def test_a_condition_tells_what_it_reads() -> None:
    condition = All((Any((ORIGIN, Not(LATE))), Clause("header.h", Op.EXISTS)))
    assert list(fields(condition)) == ["origin", "delay", "header.h"]


def test_only_an_in_on_text_of_a_field_is_choices() -> None:
    assert choices(ORIGIN) == Choices("origin", frozenset({"EWR", "JFK"}))
    for other in (None, NOT_ORIGIN, MONTHS, Not(ORIGIN), Clause("header.h", Op.IN, ("a",))):
        assert choices(other) is None
