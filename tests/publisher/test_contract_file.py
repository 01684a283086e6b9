"""Which fields feed a model: what people write is read strictly, and all faults are told."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import helper

from modelwire_publisher.contract_file import from_file, from_metadata
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Column
from tests.models.good import bytes_of, mlp
from tests.publisher.conftest import Write
from tests.publisher.desk import FLIGHTS, TENSOR, Desk

CONTRACT = FLIGHTS / "contract.yaml"


def columns(desk: Desk) -> tuple[Column, ...]:
    return desk.releases()[-1].contract.fields


# -- the four sources


def test_the_fields_of_one_tensor_are_listed(desk: Desk) -> None:
    desk.publish(file=FLIGHTS / "numeric.onnx", fields=TENSOR)
    assert columns(desk) == tuple(Column(name) for name in TENSOR)


def test_a_file_names_the_fields_of_each_input(desk: Desk) -> None:
    desk.publish(contract=CONTRACT)
    assert columns(desk)[0] == Column("carrier")
    assert columns(desk)[-1] == Column("visib", nullable=True)


def test_a_file_names_the_columns_of_one_tensor(desk: Desk, write: Write) -> None:
    said = """
        inputs:
          features:
            - dep_delay
            - {field: distance, default: 0}
            - field: sched_hour
            - {field: day, nullable: yes}
        outputs: [late]
    """
    desk.publish(file=FLIGHTS / "numeric.onnx", contract=write(said, "contract.yaml"))
    assert columns(desk) == (
        Column("dep_delay"),
        Column("distance", default=0),
        Column("sched_hour"),
        Column("day", nullable=True),
    )


def test_a_model_may_say_it_itself(desk: Desk) -> None:
    desk.publish(file=FLIGHTS / "v2.onnx")
    assert Column("visib", nullable=True) in columns(desk)


def test_inputs_of_one_column_take_the_fields_of_their_names(desk: Desk, write: Write) -> None:
    model = onnx.load(FLIGHTS / "v1.onnx")
    del model.metadata_props[:]
    desk.publish(file=write(bytes_of(model)))
    assert columns(desk)[:2] == (Column("carrier"), Column("origin"))


def test_what_is_said_wins_over_the_metadata(desk: Desk, write: Write) -> None:
    said = CONTRACT.read_text(encoding="utf-8").replace("{field: dest}", "{field: destination}")
    desk.publish(contract=write(said, "contract.yaml"))
    assert Column("destination") in columns(desk)


def test_a_tensor_of_several_columns_needs_their_names(desk: Desk) -> None:
    why = desk.why_not(file=FLIGHTS / "numeric.onnx")
    assert why.startswith("E_CONTRACT: input 'features' takes 4 columns, and nothing says which")
    assert "--fields a,b" in why


def test_two_sources_at_once_are_refused(desk: Desk) -> None:
    why = desk.why_not(fields=("a",), contract=CONTRACT)
    assert why.startswith("E_CONTRACT: both fields and a contract file are given")


# -- a contract that does not fit its model


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (("a", "b"), "input 'features' takes 4 columns, and 2 fields feed it"),
        (("a", "b", "c", "c"), "field 'c' stands twice"),
        (("a", "b", "c", " d"), "field ' d' is given"),
        (("a", "", "c", "d"), "field '' is given"),
    ],
)
def test_fields_have_to_fit(desk: Desk, fields: tuple[str, ...], why: str) -> None:
    said = desk.why_not(file=FLIGHTS / "numeric.onnx", fields=fields)
    assert said.startswith("E_CONTRACT")
    assert why in said


def test_fields_feed_one_input(desk: Desk) -> None:
    assert "the model has 9" in desk.why_not(fields=("a", "b"))


def test_all_that_does_not_fit_is_told(desk: Desk, write: Write) -> None:
    said = CONTRACT.read_text(encoding="utf-8").replace("  dest: {field: dest}", "  goal: dest")
    why = desk.why_not(contract=write(f"{said}\noutputs: [label, late]\n", "contract.yaml"))
    assert "the model has no input 'goal', it has carrier, origin" in why
    assert "nothing feeds input 'dest'" in why
    assert "the model has no output 'label', it has late" in why


def test_a_null_needs_a_type_that_has_one(desk: Desk, write: Write) -> None:
    said = CONTRACT.read_text(encoding="utf-8").replace(
        "{field: distance}", "{field: distance, default: far}"
    )
    assert "the default of column 'distance' does not fit" in desk.why_not(
        contract=write(said, "contract.yaml")
    )


# -- files of any kind


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("# inputs\n", "it is nothing and no mapping"),
        ("- a\n- b\n", "it is a list and no mapping"),
        ("inputs: [a, b]\n", "its `inputs` are no mapping"),
        ("outputs: [a]\n", "its `inputs` are no mapping"),
        ("inputs: {a: b}\nfeatures: 3\n", "an unknown part 'features'"),
        ("inputs: {a: {}}\n", "its field is nothing"),
        ("inputs: {a: []}\n", "input 'a' has no field"),
        ("inputs: {a: {field: no}}\n", "its field is a bool, and should be text"),
        ("inputs: {a: {field: 7}}\n", "its field is 7, a int"),
        ("inputs: {a: {field: b, nullable: 1}}\n", "nullable of 'b' is 1, a int"),
        ("inputs: {a: {field: b, default: [1]}}\n", "the default of 'b' is a list"),
        ("inputs: {a: {field: b, type: float}}\n", "'type' is no word for a field"),
        ("inputs: {a: b}\noutputs: late\n", "its `outputs` are no list"),
        ("inputs: {a: b}\noutputs: [yes]\n", "output True is a bool: put it in quotes"),
        ("inputs: {a: 2013.5}\n", "a field is text or a mapping"),
    ],
)
def test_a_file_is_read_strictly(write: Write, said: str, why: str) -> None:
    with pytest.raises(Rejected) as caught:
        from_file(write(said, "contract.yaml"))
    assert caught.value.code == "E_CONTRACT"
    assert why in str(caught.value)


def test_all_faults_of_a_file_are_told(write: Write) -> None:
    with pytest.raises(Rejected, match=r"input 'a'.*; input 'b'.*; output 3"):
        from_file(write("inputs: {a: {}, b: 3}\noutputs: [3]\n", "contract.yaml"))


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{",
        "[]",
        "null",
        '{"inputs": {"a": "b"}, "inputs": {}}',
        '{"inputs": NaN}',
        "[" * 100_000,
    ],
)
def test_metadata_that_says_nothing_is_refused(said: str) -> None:
    with pytest.raises(Rejected, match="E_CONTRACT"):
        from_metadata(said)


def test_metadata_is_of_fair_size() -> None:
    with pytest.raises(Rejected, match="E_TOO_BIG"):
        from_metadata(json.dumps({"inputs": {"a": "b" * 300_000}}))


def test_bad_metadata_is_told_where_it_stands(desk: Desk, write: Write) -> None:
    model = onnx.load_from_string(mlp())
    helper.set_model_props(model, {"modelwire.contract": '{"inputs": 3}'})
    why = desk.why_not(file=write(bytes_of(model)))
    assert "the model's metadata modelwire.contract" in why


def test_a_contract_that_is_not_there_is_told(desk: Desk, tmp_path: Path) -> None:
    assert desk.why_not(contract=tmp_path / "contract.yaml").startswith("E_NO_FILE")
