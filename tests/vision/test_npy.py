"""Arrays are read as pictures, and nothing but plain arrays of bytes is."""

import pickle  # noqa: TID251 - to make what is refused

import numpy as np
import pytest
from numpy.lib import format as npy_format

from parallax.contract import errors
from tests.support import pictures

RGB = np.asarray(pictures.noise(5, 4))


def refusal(data: bytes) -> str:
    with pytest.raises(errors.BadImageError) as caught:
        pictures.decoded(data)
    return caught.value.message


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode()


def test_colours_come_in_opencvs_order() -> None:
    assert (pictures.decoded(pictures.npy(RGB[..., ::-1])) == RGB).all()


def test_columns_first_is_read_too() -> None:
    assert (pictures.decoded(pictures.npy(np.asfortranarray(RGB[..., ::-1]))) == RGB).all()


@pytest.mark.parametrize("grey", [RGB[..., 0], RGB[..., :1]])
def test_one_channel_is_grey(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    assert (pictures.decoded(pictures.npy(grey)) == RGB[..., :1]).all()


@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00"])
def test_both_versions_are_read(version: bytes) -> None:
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)}\n"
    assert pictures.decoded(header(text, version) + b"\x07\x08")[0, :, 0].tolist() == [7, 8]


@pytest.mark.parametrize("dtype", ["float32", "uint16", "bool", "int8", "U3"])
def test_other_types_are_refused_by_name(dtype: str) -> None:
    pixels = np.zeros((2, 2), dtype)
    assert f"must be of type uint8, this one is {pixels.dtype}" in refusal(pictures.npy(pixels))


def test_pickled_objects_are_refused_unread() -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return pytest.fail, ("it was unpickled",)

    text = "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}\n"
    assert "this one is object" in refusal(header(text) + pickle.dumps(Trap()))


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2), (2, 2, 4), (1, 2, 2, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    assert f"this one has {shape}" in refusal(pictures.npy(np.zeros(shape, np.uint8)))


def test_an_empty_array_is_refused() -> None:
    assert "no pixels (0x3)" in refusal(pictures.npy(np.zeros((3, 0, 3), np.uint8)))


def test_a_bomb_is_refused_by_its_header() -> None:
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999, 9999999, 3)}\n"
    assert f"the limit is {pictures.LIMIT} pixels" in refusal(header(text))


def test_a_truncated_array_is_refused() -> None:
    assert "truncated: 60 bytes" in refusal(pictures.npy(RGB)[:-1])


def test_a_version_from_the_future_is_refused() -> None:
    assert "version 1.0 or 2.0" in refusal(header("{}", b"\x03\x00"))


@pytest.mark.parametrize(
    "text", ["", "{}", "__import__('os')", "(" * 900, "{'descr': '|u1'}", "[" + "1," * 20_000]
)
def test_a_damaged_header_is_refused(text: str) -> None:
    assert refusal(header(text)).startswith("Could not load input image. Cause: ")


def test_a_written_header_fits_the_bound() -> None:
    data = pictures.npy(RGB)
    assert data.startswith(npy_format.magic(1, 0))
    assert data.index(b"\n") < 200
