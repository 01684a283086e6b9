"""Errors say what is wrong and where, and survive the way to another process."""

import pickle

from modelwire_schemas.errors import Fault, Rejected, RejectedFile

FAULTS = (
    Fault("a.yaml", 3, 14, "E_WEIGHT", "weight 200", "0 to 100", "mend it"),
    Fault("b\n.yaml", 1, 1, "E_YAML", "a tag"),
)


def test_a_file_that_is_rejected_tells_all_its_faults_a_line_each() -> None:
    error = RejectedFile(FAULTS)
    assert str(error) == (
        "a.yaml:3:14: E_WEIGHT: weight 200; expected 0 to 100; mend it\n"
        "b\\n.yaml:1:1: E_YAML: a tag"
    )
    assert (error.code, error.exit_code, isinstance(error, Rejected)) == ("E_WEIGHT", 5, True)


def test_an_error_survives_pickling() -> None:
    for error in (RejectedFile(FAULTS), Rejected("E_A", "b", where="c", expected="d", todo="e")):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (type(again), str(again)) == (type(error), str(error))
    assert pickle.loads(pickle.dumps(RejectedFile(FAULTS))).faults == FAULTS  # noqa: S301
