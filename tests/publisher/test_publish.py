"""A file becomes a release: whole, proven, once."""

from modelwire.control.reading import fold_log
from modelwire_log.memory import MemoryLog
from tests.publisher.flights import EVENTS, FLIGHTS, publish_flights


def test_a_small_model_travels_in_its_record() -> None:
    log = MemoryLog()
    released = publish_flights(log)
    known = fold_log(log, "default").release("flights-late", "1")
    assert known is not None
    assert (released.where, released.form, released.offset) == ("inline", "packed", 0)
    assert known.artifact.digest == released.digest
    assert known.contract == released.contract
    assert not released.already


def test_a_sample_of_events_becomes_golden_vectors() -> None:
    released = publish_flights(MemoryLog(), file=FLIGHTS / "v2.onnx", sample=EVENTS)
    assert "golden 16 rows within 1e-05" in map(str, released.checks)
