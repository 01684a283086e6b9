"""What is packed comes back equal, and what is damaged is no surprise."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from modelwire.loading import wire
from modelwire.loading.marks import Mark
from modelwire.loading.verdicts import ProbeRequest, ProbeResult
from modelwire_schemas.release import Artifact

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers(-(2**53), 2**53)
st.register_type_strategy(str, TEXT)
st.register_type_strategy(int, NUMBER)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(Path, st.just(Path("/somewhere")))


@settings(max_examples=30)
@given(st.from_type(ProbeRequest))
def test_a_request_comes_back(request: ProbeRequest) -> None:
    assert wire.unpack(ProbeRequest, wire.pack(request)) == request


@given(st.from_type(ProbeResult))
def test_a_result_comes_back(result: ProbeResult) -> None:
    assert wire.unpack(ProbeResult, wire.pack(result)) == result


@given(st.from_type(Mark), st.data())
def test_a_damaged_one_is_refused_or_another_one(mark: Mark, data: st.DataObject) -> None:
    content = bytearray(wire.pack(mark))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        wire.unpack(Mark, bytes(content))


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"7", b'{"format": "onnx"}', b'{"format": 7}', b"\xff", b"[" * 100_000],
)
def test_what_describes_nothing_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.unpack(Artifact, content)
