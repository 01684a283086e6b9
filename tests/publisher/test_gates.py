"""All that a release misses is told at once."""

import math

import pytest

from modelwire_publisher.gates import (
    Fault,
    contract_check,
    contract_faults,
    metric_checks,
    metric_faults,
    refuse,
    threshold,
)
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column, Contract, Feed, Tensor
from tests.publisher.conftest import Write
from tests.publisher.desk import FLIGHTS, Desk

SCORE = Tensor("late", "float32", (None,))


def contract(*fields: str, output: Tensor = SCORE, nullable: bool = False) -> Contract:
    columns = tuple(Column(field, nullable=nullable) for field in fields)
    one = Tensor("features", "float32", (None, len(fields)))
    return Contract((one,), (output,), (Feed("features", columns),))


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [
        ("auc>=0.7", 0.7, True),
        ("auc >= 0.7", 0.69999, False),
        ("auc>0.7", 0.7, False),
        ("loss<=1e-3", 0.001, True),
        ("loss<.5", 0.5, False),
        ("bias==0", 0.0, True),
        ("psi/30d<=-1", -1.5, True),
    ],
)
def test_a_threshold_is_kept_or_missed(text: str, value: float, *, kept: bool) -> None:
    faults = list(metric_faults({threshold(text).metric: value}, [text]))
    assert (faults == []) is kept


@pytest.mark.parametrize("text", ["auc", "auc>=", ">=0.7", "auc=>0.7", "auc>=good", "auc>=1e", ""])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="E_METRIC"):
        threshold(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_is_a_number(value: float) -> None:
    faults = list(metric_faults({"auc": value}, []))
    assert [fault.code for fault in faults] == ["E_NAN"]


@pytest.mark.parametrize("value", ["0.8", True, None])
def test_a_metric_is_no_text(value: object) -> None:
    assert [fault.code for fault in metric_faults({"auc": value}, [])] == ["E_TYPE"]


def test_a_metric_that_is_required_has_to_be_given() -> None:
    (fault,) = metric_faults({"loss": 0.2}, ["auc>=0.7"])
    assert "metric auc is not given, only loss" in fault.what


def test_what_was_kept_is_told_with_its_figure() -> None:
    assert list(map(str, metric_checks({"auc": 0.896}, ["auc>=0.7"]))) == [
        "metric auc>=0.7 (0.896)"
    ]


def test_a_first_contract_fits() -> None:
    assert list(contract_faults(contract("a"), None, "", meant=False)) == []
    assert str(contract_check(contract("a"), None, "")) == "contract is the model's first"


@pytest.mark.parametrize(
    "new",
    [
        contract("a", "b"),
        contract("a", output=Tensor("score", "float32", (None,))),
        contract("a", output=Tensor("late", "float64", (None,))),
        contract("a", output=Tensor("late", "float32", (None, 2))),
    ],
)
def test_a_contract_that_breaks_is_a_fault_unless_it_is_meant(new: Contract) -> None:
    assert len(list(contract_faults(new, contract("a"), "m 1", meant=False))) == 1
    assert list(contract_faults(new, contract("a"), "m 1", meant=True)) == []
    assert "breaks with m 1 as was meant" in str(contract_check(new, contract("a"), "m 1"))


def test_a_contract_that_asks_for_less_fits() -> None:
    less = contract("a", nullable=True)
    assert list(contract_faults(less, contract("a"), "m 1", meant=False)) == []
    assert str(contract_check(less, contract("a"), "m 1")) == "contract fits m 1's"


def test_all_faults_are_told_under_the_first_code() -> None:
    faults = [Fault("E_A", "one", "do x"), Fault("E_A", "two", "do x"), Fault("E_B", "three")]
    with pytest.raises(Rejected) as caught:
        refuse(faults, "model.onnx")
    assert str(caught.value) == "E_A: one; two; E_B: three, model.onnx; do x"


def test_everything_that_is_wrong_with_a_release_is_told_at_once(desk: Desk, write: Write) -> None:
    desk.publish("1")
    golden = write('{"inputs": {"dep_delay": 1}, "outputs": {"late": 0.5}}\n', "golden.jsonl")
    why = desk.why_not(
        "2",
        FLIGHTS / "numeric.onnx",
        fields=("dep_delay", "altitude", "sched_hour", "weekday"),
        metrics={"auc": 0.61, "loss": math.nan},
        require=("auc>=0.7", "brier<=0.2"),
        golden=golden,
    )
    for said in (
        "E_NAN: metric loss is nan",
        "auc is 0.61, and auc>=0.7 is required",
        "metric brier is not given",
        "event field 'altitude' is needed and was not",
        "line 1: field 'altitude' is missing",
    ):
        assert said in why
