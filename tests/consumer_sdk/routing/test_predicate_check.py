"""Conditions that may not travel, each with the code that says why."""

import math

import pytest

from modelwire.routing.predicate_check import check_predicate
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Scalar
from modelwire_schemas.routing import All, Any, Clause, Not, Op, Predicate

LEAF = Clause("origin", Op.EXISTS)


YES, NO = True, False


def nested(depth: int) -> Predicate:
    tree: Predicate = LEAF
    for _ in range(depth - 1):
        tree = Not(tree)
    return tree


def is_in(*values: Scalar) -> Clause:
    return Clause("x", Op.IN, values)


@pytest.mark.parametrize(
    "predicate",
    [
        pytest.param(nested(8), id="eight-levels"),
        pytest.param(All((LEAF,) * 63), id="sixty-four-nodes"),
        pytest.param(is_in(*range(1000)), id="a-thousand-values"),
        pytest.param(is_in("é" * 128), id="a-literal-of-256-bytes"),
        pytest.param(is_in(1, 2.5, -(2**63), 2**63 - 1), id="numbers-of-both-kinds"),
        pytest.param(is_in(YES, NO), id="bools"),
        pytest.param(Clause("a.b-c_d.0", Op.EXISTS), id="a-field-with-dots"),
        pytest.param(Clause("_private", Op.EXISTS), id="one-underscore"),
        pytest.param(Clause("header.x-user.id", Op.EXISTS), id="a-header"),
    ],
)
def test_a_sound_condition_passes(predicate: Predicate) -> None:
    check_predicate(predicate)


@pytest.mark.parametrize(
    ("code", "predicate"),
    [
        pytest.param("E_TOO_COMPLEX", nested(9), id="nine-levels"),
        pytest.param("E_TOO_COMPLEX", nested(5000), id="so-deep-that-a-stack-would-end"),
        pytest.param("E_TOO_COMPLEX", All((LEAF,) * 64), id="sixty-five-nodes"),
        pytest.param("E_TOO_COMPLEX", is_in(*range(1001)), id="more-than-a-thousand-values"),
        pytest.param("E_TOO_COMPLEX", is_in("é" * 128 + "e"), id="a-literal-of-257-bytes"),
        pytest.param("E_FIELD", Clause("", Op.EXISTS), id="no-field"),
        pytest.param("E_FIELD", Clause("__class__", Op.EXISTS), id="dunder"),
        pytest.param("E_FIELD", Clause("a__b", Op.EXISTS), id="double-underscore"),
        pytest.param("E_FIELD", Clause("a;b", Op.EXISTS), id="semicolon"),
        pytest.param("E_FIELD", Clause("${a}", Op.EXISTS), id="template"),
        pytest.param("E_FIELD", Clause("a b", Op.EXISTS), id="space"),
        pytest.param("E_FIELD", Clause("a\n", Op.EXISTS), id="line-end"),
        pytest.param("E_FIELD", Clause("header.", Op.EXISTS), id="header-without-a-name"),
        pytest.param("E_FIELD", Clause("a" * 101, Op.EXISTS), id="a-long-field"),
        pytest.param("E_TYPE", Clause("country", Op.GT, ("3",)), id="greater-than-text"),
        pytest.param("E_TYPE", Clause("x", Op.LE, (True,)), id="less-than-a-bool"),
        pytest.param("E_TYPE", Clause("x", Op.PREFIX, (3,)), id="prefix-of-a-number"),
        pytest.param("E_TYPE", Clause("x", Op.GT, (1, 2)), id="greater-than-two"),
        pytest.param("E_TYPE", Clause("x", Op.GT), id="greater-than-nothing"),
        pytest.param("E_TYPE", Clause("x", Op.IN), id="in-nothing"),
        pytest.param("E_TYPE", Clause("x", Op.EXISTS, ("a",)), id="exists-with-a-value"),
        pytest.param("E_TYPE", is_in("a", 1), id="text-and-a-number"),
        pytest.param("E_TYPE", is_in(1, YES), id="a-number-and-a-bool"),
        pytest.param("E_TYPE", is_in(math.nan), id="nan"),
        pytest.param("E_TYPE", is_in(math.inf), id="infinity"),
        pytest.param("E_TYPE", is_in(2**63), id="more-than-64-bits"),
        pytest.param("E_TYPE", is_in("\ud800"), id="text-without-utf-8"),
        pytest.param("E_TYPE", All(()), id="empty-all"),
        pytest.param("E_TYPE", Any(()), id="empty-any"),
    ],
)
def test_an_unsound_condition_says_why(code: str, predicate: Predicate) -> None:
    with pytest.raises(Rejected) as caught:
        check_predicate(predicate)
    assert caught.value.code == code


def test_the_first_fault_in_the_order_written_is_the_one_that_is_told() -> None:
    bad_field, bad_type = Clause("a;b", Op.EXISTS), Clause("x", Op.IN)
    for parts, code in (((bad_field, bad_type), "E_FIELD"), ((bad_type, bad_field), "E_TYPE")):
        with pytest.raises(Rejected) as caught:
            check_predicate(Any((All((parts[0],)), parts[1])))
        assert caught.value.code == code
