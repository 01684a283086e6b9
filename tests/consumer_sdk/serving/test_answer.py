"""Answers tell their outputs without the batch axis, and where they are from."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from modelwire.serving.answer import Answer, Answers, Provenance
from modelwire_schemas.errors import ModelwireError, Rejected

TOLD = Provenance(
    route="flights-late",
    model="flights-late",
    version="8",
    digest="ab" * 32,
    variant="candidate",
    rule="all",
    revision=12,
    reason="split",
    offset=88,
    stale=False,
    routed_to="8",
    served_by="8",
)
OTHER = replace(TOLD, version="7", served_by="7", variant="stable", stale=True)
FAULT = Rejected("E_FIELD_NULL", "field 'x' is null")


def two_outputs() -> Answer:
    arrays = [np.array([0.25, 0.75], np.float32), np.arange(6).reshape(2, 3)]
    return Answer(arrays, ("late", "shares"), 1, TOLD, 431)


def batch() -> Answers:
    late = np.array([0.1, np.nan, 0.3])
    return Answers([late], ("late",), 3, (TOLD, OTHER), [0, 0, 1], [431, 7, None], ((1, FAULT),))


def test_outputs_come_without_the_batch_axis() -> None:
    outputs = two_outputs().outputs
    assert list(outputs) == ["late", "shares"]
    assert outputs["late"] == np.float32(0.75)
    assert outputs["late"].shape == ()
    assert outputs["shares"].tolist() == [3, 4, 5]


def test_the_value_is_the_only_output() -> None:
    assert Answer([np.array([0.5])], ("late",), 0, TOLD, None).value == 0.5
    with pytest.raises(Rejected, match=r"E_OUTPUTS: the model has 2 outputs.*late, shares"):
        _ = two_outputs().value


def test_an_answer_says_where_it_is_from() -> None:
    answer = Answer([np.array([0.5])], ("late",), 0, replace(OTHER, unsettled=True), 7)
    assert (answer.route, answer.model, answer.digest) == (
        "flights-late",
        "flights-late",
        "ab" * 32,
    )
    assert (answer.version, answer.served_by, answer.routed_to) == ("7", "7", "8")
    assert (answer.variant, answer.rule, answer.reason) == ("stable", "all", "split")
    assert (answer.revision, answer.offset, answer.bucket) == (12, 88, 7)
    assert (answer.stale, answer.unsettled) == (True, True)


def test_an_answer_shows_itself_in_one_line() -> None:
    assert repr(two_outputs()) == (
        "Answer(late=0.75, shares=int64[3], flights-late 8, candidate by split, bucket 431, "
        "flights-late revision 12)"
    )
    text = Answer([np.array(["a\nb"], object)], ("word",), 0, OTHER, None)
    assert repr(text) == (
        r"Answer(word='a\nb', flights-late 7, instead of 8, stable by split, "
        "flights-late revision 12, stale)"
    )


def test_an_answer_can_be_sent_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(two_outputs()))  # noqa: S301 - our own bytes
    assert repr(again) == repr(two_outputs())


def test_a_batch_answers_in_columns() -> None:
    answers = batch()
    assert len(answers) == 3
    assert np.array_equal(answers.outputs["late"], [0.1, np.nan, 0.3], equal_nan=True)
    assert answers.value is answers.outputs["late"]
    assert answers.errors == ((1, FAULT),)


def test_a_row_is_made_when_it_is_asked_for() -> None:
    answers = batch()
    assert (answers[0].value, answers[0].version, answers[0].bucket) == (0.1, "8", 431)
    assert (answers[-1].value, answers[-1].version, answers[-1].bucket) == (0.3, "7", None)
    assert answers[2].stale


def test_a_faulty_row_raises_its_error() -> None:
    answers = batch()
    for row in (1, -2):
        with pytest.raises(Rejected, match="E_FIELD_NULL: field 'x' is null"):
            _ = answers[row]


@pytest.mark.parametrize("row", [3, -4, 10**30])
def test_there_is_no_row_beyond_the_last(row: int) -> None:
    with pytest.raises(IndexError, match="of 3 answers"):
        _ = batch()[row]


def test_iteration_loses_no_row() -> None:
    rows = list(batch())
    assert [type(row) for row in rows] == [Answer, Rejected, Answer]
    assert [row.version for row in rows if not isinstance(row, ModelwireError)] == ["8", "7"]


def test_a_batch_from_one_version_needs_no_numbers() -> None:
    answers = Answers([np.array([0.1, 0.2])], ("late",), 2, (TOLD,))
    assert [answers[row].version for row in range(2)] == ["8", "8"]
    assert answers[1].bucket is None
    assert repr(answers) == "Answers(2 rows of late, 0 faulty, by 8)"


def test_answers_are_known_without_numpy() -> None:
    check = "import modelwire.serving.answer, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
