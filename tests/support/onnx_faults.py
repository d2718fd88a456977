"""Detectors that fail on bright pictures: there they raise, hang, crash or answer nonsense.

A picture is of one grey level. On each the detector finds one box in the middle, whose width is the
level's share of the picture: so an answer tells which picture it belongs to. A level of ``BRIGHT``
or more brings the fault about.
"""

import io
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from tests.support import onnx_small
from tests.support.onnx_small import SIDE

BRIGHT = 240
FAULTS = ("raise", "hang", "crash", "nan", "rows", "memory")
HALF = 150
"""For the fault "memory": two pictures of at least this level fit into a batch, and not three."""


def picture(level: int) -> bytes:
    """Return a grey picture as PNG bytes."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def width(level: int) -> float:
    """Return the width of the box in a picture of this level."""
    return SIDE * level / 255.0


def write(path: Path, fault: str) -> None:
    """Write a YOLOv8-style model (two classes, 21 boxes of a 32x32 picture) with a fault."""
    template, unit = np.zeros((2, 1, *onnx_small.HEAD), np.float32)
    template[0, (0, 1, 3, 4), 0] = SIDE / 2, SIDE / 2, SIDE / 2, 0.9
    unit[0, 2, 0] = SIDE
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["level"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMean", ["level"], ["each"], axes=[1], keepdims=1),
        helper.make_node("Unsqueeze", ["each", "last"], ["scale"]),
        helper.make_node("Mul", ["scale", "unit"], ["wide"]),
        helper.make_node("Add", ["wide", "template"], ["head"]),
        helper.make_node("Greater", ["scale", "bright"], ["bad"]),
        helper.make_node("Cast", ["bad"], ["one_if_bad"], to=TensorProto.INT64),
    ]
    constants: onnx_small.Constants = {
        "last": np.array([2], np.int64),
        "unit": unit,
        "template": template,
        "bright": np.array((BRIGHT - 5) / 255.0, np.float32),
    }
    made, more = {
        "raise": _raise,
        "hang": _hang,
        "crash": _crash,
        "nan": _nan,
        "rows": _rows,
        "memory": _memory,
    }[fault]()
    onnx_small.save(path, nodes + made, constants | more, "batch")


_Part = tuple[list[onnx.NodeProto], onnx_small.Constants]


def _raise() -> _Part:
    """Divide by nothing: ONNX Runtime raises, for the batch as a whole."""
    nodes = [
        helper.make_node("Sub", ["one", "one_if_bad"], ["divisor"]),
        helper.make_node("Div", ["one", "divisor"], ["ones"]),
        helper.make_node("Sub", ["ones", "one"], ["zeros"]),
        *_added("zeros"),
    ]
    return nodes, {"one": np.array(1, np.int64)}


def _crash() -> _Part:
    """Divide the smallest integer by -1: the processor traps, and the process dies."""
    nodes = [
        helper.make_node("Where", ["bad", "smallest", "one"], ["dividend"]),
        helper.make_node("Where", ["bad", "minus_one", "one"], ["divisor"]),
        helper.make_node("Div", ["dividend", "divisor"], ["ones"]),
        helper.make_node("Sub", ["ones", "one"], ["zeros"]),
        *_added("zeros"),
    ]
    numbers = {"one": 1, "minus_one": -1, "smallest": -(2**63)}
    return nodes, {name: np.array(value, np.int64) for name, value in numbers.items()}


def _nan() -> _Part:
    nodes = [helper.make_node("Where", ["bad", "nan", "head"], ["output0"])]
    return nodes, {"nan": np.array(np.nan, np.float32)}


def _rows() -> _Part:
    """Leave the rows of bright pictures out."""
    nodes = [
        helper.make_node("Not", ["bad"], ["good"]),
        helper.make_node("Reshape", ["good", "flat"], ["wanted"]),
        helper.make_node("Compress", ["head", "wanted"], ["output0"], axis=0),
    ]
    return nodes, {"flat": np.array([-1], np.int64)}


def _memory() -> _Part:
    """Ask for 128 TiB when a batch has more than two pictures above ``HALF``, or a bright one."""
    nodes = [
        helper.make_node("Greater", ["scale", "half"], ["above"]),
        helper.make_node("Cast", ["above"], ["one_if_above"], to=TensorProto.INT64),
        helper.make_node("Mul", ["one_if_bad", "three"], ["three_if_bad"]),
        helper.make_node("Add", ["one_if_above", "three_if_bad"], ["weights"]),
        helper.make_node("Reshape", ["weights", "flat"], ["list"]),
        helper.make_node("ReduceSum", ["list", "first"], ["total"], keepdims=1),
        helper.make_node("Sub", ["total", "two"], ["beyond"]),
        helper.make_node("Max", ["beyond", "nothing"], ["excess"]),
        helper.make_node("Min", ["excess", "one"], ["needed"]),
        helper.make_node("Mul", ["needed", "vast"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["space"]),
        helper.make_node("ReduceSum", ["space"], ["nought"], keepdims=0),
        helper.make_node("Add", ["head", "nought"], ["output0"]),
    ]
    vectors = {"flat": -1, "first": 0, "two": 2, "nothing": 0, "one": 1, "three": 3, "vast": 2**45}
    constants = {name: np.array([value], np.int64) for name, value in vectors.items()}
    return nodes, {**constants, "half": np.array((HALF - 5) / 255.0, np.float32)}


def _hang() -> _Part:
    """Hand the head round a loop: no turn, or 2**62 of them."""
    idle = onnx_small.idle_turn("batch")
    nodes = [
        helper.make_node("Reshape", ["one_if_bad", "flat"], ["list"]),
        helper.make_node("ReduceMax", ["list"], ["any_bad"], keepdims=0),
        helper.make_node("Mul", ["any_bad", "for_ever"], ["turns"]),
        helper.make_node("Loop", ["turns", "on", "head"], ["output0"], body=idle),
    ]
    return nodes, {
        "flat": np.array([-1], np.int64),
        "for_ever": np.array(2**62, np.int64),
        "on": np.array(True),
    }


def _added(zeros: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", [zeros], ["nothing"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["head", "nothing"], ["output0"]),
    ]
