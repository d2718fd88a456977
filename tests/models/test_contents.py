"""An ONNX file is data: what it names stays in its package, and it brings no code."""

from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
from onnx import helper

from parallax.models import contents, network
from tests.support import onnx_models, packages

OUTSIDE = "names '/etc/hostname', which lies outside"


def stored(*places: str) -> onnx.TensorProto:
    """Return a tensor whose data is said to lie elsewhere."""
    tensor = onnx.TensorProto(name="k", data_type=1, dims=[1], data_location=1)
    for place in places:
        tensor.external_data.add(key="location", value=place)
    return tensor


def constant(key: str, value: object) -> onnx.NodeProto:
    node = helper.make_node("Constant", [], ["k"])
    node.attribute.append(helper.make_attribute(key, value))
    return node


def sparse(place: str) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=stored(place), dims=[1])


def model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph(nodes, "g", [], []))


def branching(
    nodes: Sequence[onnx.NodeProto], tensors: Sequence[onnx.TensorProto] = ()
) -> onnx.NodeProto:
    branch = helper.make_graph(nodes, "branch", [], [], tensors)
    return helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)


def function(*nodes: onnx.NodeProto) -> onnx.FunctionProto:
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_function("example", "Own", [], ["k"], nodes, opsets)


def refusal(found: onnx.ModelProto, folder: Path) -> str:
    def check() -> None:
        contents.check_operators(found, folder / "m.onnx")
        contents.external_files(found, folder / "m.onnx", folder, None)

    return packages.refusal(check)


HIDDEN = constant("value", stored("/etc/hostname"))


@pytest.mark.parametrize(
    "node",
    [
        HIDDEN,
        constant("values", [stored("/etc/hostname")]),
        constant("sparse_value", sparse("/etc/hostname")),
        branching([HIDDEN]),
        branching([], [stored("/etc/hostname")]),
        branching([branching([HIDDEN])]),
    ],
)
def test_data_outside_of_the_package_is_seen_wherever_it_is_named(
    tmp_path: Path, node: onnx.NodeProto
) -> None:
    assert OUTSIDE in refusal(model(node), tmp_path)


def test_data_outside_of_the_package_is_seen_in_functions_and_sparse_weights(
    tmp_path: Path,
) -> None:
    in_function, in_weights = model(), model()
    in_function.functions.append(function(branching([HIDDEN])))
    in_weights.graph.sparse_initializer.append(sparse("/etc/hostname"))
    assert OUTSIDE in refusal(in_function, tmp_path)
    assert OUTSIDE in refusal(in_weights, tmp_path)


def test_a_tensor_with_a_second_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").write_bytes(bytes(4))
    found = model()
    found.graph.initializer.append(stored("inside", "../../etc/hostname"))
    assert "2 places for its data" in refusal(found, tmp_path)


def test_a_tensor_without_a_place_is_refused(tmp_path: Path) -> None:
    found = model()
    found.graph.initializer.append(stored())
    assert "0 places for its data" in refusal(found, tmp_path)


def test_an_address_in_memory_is_no_file_even_if_there_is_one(tmp_path: Path) -> None:
    place = "*/_ORT_MEM_ADDR_/*"
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_bytes(bytes(4))
    found = model()
    found.graph.initializer.append(stored(place))
    assert "address in memory" in refusal(found, tmp_path)


SPELL = helper.make_node("Spell", ["a"], ["b"], domain="example")


@pytest.mark.parametrize("node", [SPELL, branching([SPELL]), branching([branching([SPELL])])])
def test_an_operator_of_another_library_is_refused(tmp_path: Path, node: onnx.NodeProto) -> None:
    cause = refusal(model(node), tmp_path)
    assert "uses the operator 'example.Spell'" in cause
    assert "libraries of custom operators are not loaded" in cause


def test_an_operator_of_another_library_in_a_function_is_refused(tmp_path: Path) -> None:
    found = model()
    found.functions.append(function(SPELL))
    assert "'example.Spell'" in refusal(found, tmp_path)


def test_a_function_of_the_file_itself_is_not_another_library(tmp_path: Path) -> None:
    found = model(helper.make_node("Own", [], ["b"], domain="example"))
    found.functions.append(function(constant("value_float", 1.0)))
    contents.check_operators(found, tmp_path / "m.onnx")


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"])
def test_operators_that_the_runtime_has_are_fine(tmp_path: Path, domain: str) -> None:
    contents.check_operators(
        model(helper.make_node("Any", [], ["b"], domain=domain)), tmp_path / "m.onnx"
    )


def test_what_was_compiled_for_a_device_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("EPContext", [], ["b"], domain="com.microsoft")
    assert "compiled for a device" in refusal(model(node), tmp_path)


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    content = b""
    for _ in range(300):
        content = field(1, field(5, field(6, content)))  # graph: node: attribute: graph
    path = tmp_path / "m.onnx"
    path.write_bytes(field(7, content))
    assert "not an ONNX file" in packages.refusal(lambda: network.load(path, tmp_path))


def field(number: int, content: bytes) -> bytes:
    """Return a message as a field of another, in protobuf's form."""
    size, rest = bytearray(), len(content)
    while rest >= 0x80:
        size.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([number << 3 | 2, *size, rest]) + content


def test_tensors_of_the_embedded_kind_name_no_file(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx")
    assert contents.external_files(onnx.load(path), path, tmp_path, None) == ()
