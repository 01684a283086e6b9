"""An ONNX file is read without a schema, whatever its bytes are."""

import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import TensorProto, helper

from modelwire_publisher.onnx_file import Outside, look
from modelwire_publisher.protobuf import Field, fields, varint, write_bytes, write_varint
from tests.models.good import bytes_of, mlp, model_of, sized, slow, take_features

SMALL = mlp()


@given(st.integers(0, 2**64 - 1))
def test_a_number_comes_back(value: int) -> None:
    written = write_varint(value)
    assert varint(written, 0, len(written)) == (value, len(written))


@given(st.lists(st.tuples(st.integers(1, 1000), st.binary(max_size=300)), max_size=8))
def test_fields_come_back(parts: list[tuple[int, bytes]]) -> None:
    data = b"".join(write_bytes(number, content) for number, content in parts)
    found = [(f.number, data[f.begin : f.end]) for f in fields(data, 0, len(data))]
    assert found == parts


@given(st.binary(max_size=400))
def test_noise_is_read_or_refused(data: bytes) -> None:
    try:
        seen = look(data)
    except ValueError:
        return
    assert seen.graph is None or isinstance(seen.graph, Field)


@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255))
def test_a_flipped_byte_is_read_or_refused(at: int, byte: int) -> None:
    try:
        look(SMALL[:at] + bytes([byte]) + SMALL[at + 1 :])
    except ValueError:
        return


@given(st.data())
def test_a_file_that_is_cut_in_its_graph_is_refused_or_has_none(data: st.DataObject) -> None:
    whole = look(SMALL).graph
    assert whole
    size = data.draw(st.integers(0, whole.end - 1))
    try:
        assert look(SMALL[:size]).graph is None
    except ValueError:
        return


def test_metadata_is_read() -> None:
    model = onnx.load_from_string(SMALL)
    helper.set_model_props(model, {"modelwire.contract": '{"inputs": {}}', "author": "ada"})
    seen = look(bytes_of(model))
    assert seen.metadata == {"modelwire.contract": '{"inputs": {}}', "author": "ada"}


def test_large_weights_of_the_main_graph_are_found() -> None:
    data = bytes_of(sized(5))
    seen = look(data)
    assert sorted(w.raw.end - w.raw.begin for w in seen.weights) == [1024 * 1024 * 4] * 2


@pytest.mark.parametrize("place", ["initializer", "constant", "loop", "function", "sparse"])
def test_values_in_other_files_are_found_wherever_they_hide(place: str) -> None:
    model = hidden(place)
    assert look(bytes_of(model)).outside == [Outside("w", "../w.bin")]


def elsewhere() -> TensorProto:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../w.bin")
    return weight


def hidden(place: str) -> onnx.ModelProto:
    if place == "loop":
        model = onnx.load_from_string(slow(1))
        loop = next(node for node in model.graph.node if node.op_type == "Loop")
        loop.attribute[0].g.initializer.append(elsewhere())
        return model
    node = helper.make_node("Constant", [], ["c"], value=elsewhere())
    if place == "constant":
        return model_of([node], [take_features(4)])
    model = onnx.load_from_string(SMALL)
    if place == "function":
        function = helper.make_function("f", "g", [], ["c"], [node], [helper.make_opsetid("", 17)])
        model.functions.append(function)
    elif place == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(elsewhere())
    else:
        model.graph.initializer.append(elsewhere())
    return model
