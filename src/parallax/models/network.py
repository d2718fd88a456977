"""An ONNX file opened with suspicion, and the facts about it that serving needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf import message  # type: ignore[import-untyped]
from onnx import helper

from parallax.models import contents, files, shapes
from parallax.models.families import base


@dataclass(frozen=True, slots=True)
class Network:
    """A model with one picture-like input. Weights in other files are not loaded."""

    model: onnx.ModelProto
    path: Path
    input_name: str
    dtype: str
    """NumPy name of the input's element type."""
    batch: int | None
    """The batch axis where it is a constant."""
    height: int | None
    width: int | None
    external: tuple[Path, ...]
    """Files that hold weights, links followed; all inside the package's folder."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the exporting tool wrote into the file."""
        return {entry.key: entry.value for entry in self.model.metadata_props}

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(output.name for output in self.model.graph.output)


def load(path: Path, folder: Path, blobs: Path | None = None) -> Network:
    """Open an ONNX file.

    Args:
        path: the file.
        folder: the package's folder, which external weights must lie in.
        blobs: a folder that links in the package's may lead into.

    Raises:
        ModelRefusedError: not an ONNX file, an operator of another library, weights outside of the
            folder or missing, or an input that is no picture.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, message.DecodeError) as problem:
        raise files.refused(path, f"not an ONNX file: {problem}") from problem
    if not model.graph.node:
        raise files.refused(path, "not an ONNX file: it holds no graph")
    contents.check_operators(model, path)
    external = contents.external_files(model, path, folder, blobs)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if len(inputs) != 1:
        raise files.refused(path, f"has {len(inputs)} inputs, expected one picture")
    picture = inputs[0].type.tensor_type
    shape = _shape(inputs[0])
    if len(shape) == 4 and shape[1] == 1:
        raise files.refused(path, "a network for grey pictures (one channel) is not served")
    if len(shape) != 4 or shape[1] not in (3, None):
        raise files.refused(
            path, f"its input has the shape {shape}, expected (N, 3, height, width)"
        )
    return Network(
        model=model,
        path=path,
        input_name=inputs[0].name,
        dtype=_dtype_name(picture.elem_type),
        batch=shape[0],
        height=shape[2],
        width=shape[3],
        external=external,
    )


def fix_input(network: Network, batch: int | None, width: int, height: int) -> None:
    """Write the picture's size, and the batch's where it is a constant, into the graph's input.

    Shapes that were noted for other sizes are removed from the graph.
    """
    first = "batch" if batch is None else batch
    _set_input(network.model, network.input_name, (first, 3, height, width))


def output_shapes(network: Network, batch: int, width: int, height: int) -> tuple[base.Shape, ...]:
    """Return the outputs' shapes for an input of a given size, batch included.

    Inferred where possible, for which all sizes have to be numbers: a reshape to "what is left" is
    beyond inference otherwise. Else what the file declares, where that does not depend on sizes.
    """
    declared = [_shape(output) for output in network.model.graph.output]
    probe = onnx.ModelProto()
    probe.CopyFrom(network.model)
    _set_input(probe, network.input_name, (batch, 3, height, width))
    for output in probe.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        inferred = shapes.inferred(probe)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return tuple(declared)
    pairs = zip(inferred.graph.output, declared, strict=True)
    return tuple(_merged(_shape(output), before) for output, before in pairs)


def _set_input(model: onnx.ModelProto, name: str, sizes: Sequence[int | str]) -> None:
    value = next(value for value in model.graph.input if value.name == name)
    element = value.type.tensor_type.elem_type
    value.CopyFrom(helper.make_tensor_value_info(name, element, sizes))
    # Shapes noted inside were for the sizes the file came with.
    del model.graph.value_info[:]


def _merged(inferred: base.Shape, declared: base.Shape) -> base.Shape:
    if len(inferred) != len(declared):
        return inferred or declared
    return tuple(
        known if known is not None else said for known, said in zip(inferred, declared, strict=True)
    )


def _shape(value: onnx.ValueInfoProto) -> base.Shape:
    """Return a value's shape; () when it has none. Exporters write unknown sizes as 0 or -1 too."""
    return tuple(
        dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim
    )


def _dtype_name(element: int) -> str:
    try:
        return str(helper.tensor_dtype_to_np_dtype(element))
    except KeyError:
        return f"unknown ({element})"
