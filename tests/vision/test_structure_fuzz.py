"""The readers that walk through a file by hand: whatever its bytes, they pass it or refuse it."""

import contextlib
import random
import struct
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import strategies as st

from parallax.contract import errors
from parallax.vision import decode, exif, structure, webp
from tests.support import damage, picture_files

FILES = picture_files.FILES
LIMIT = 100_000
CHECKS: tuple[tuple[Callable[[bytes], object], bytes], ...] = (
    (structure.check_jpeg_header, b"\xff\xd8\xff"),
    (structure.check_png, b"\x89PNG\r\n\x1a\n"),
    (structure.check_gif, b"GIF89a"),
    (structure.check_tiff, b"II*\0"),
    (structure.check_tiff, b"MM\0+"),
    (webp.size, b"RIFF"),
)
"""Each is asked only about files that begin like this."""
NUMBERS = (0, 1, 2, 7, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 40, (1 << 64) - 1)
FILES_OR_BYTES = st.one_of(
    st.sampled_from(sorted(FILES)).map(FILES.__getitem__),
    st.binary(max_size=80),
    st.binary(max_size=60).map(b"II*\0".__add__),
    st.binary(max_size=60).map(b"MM\0+".__add__),
)


@pytest.mark.parametrize("checked", CHECKS)
@hypothesis.settings(max_examples=100)
@hypothesis.given(
    data=FILES_OR_BYTES,
    seed=st.integers(0, 1 << 64),
    place=st.integers(0, 80),
    number=st.sampled_from(NUMBERS),
    form=st.sampled_from(("<H", ">H", "<I", ">I", "<Q", ">Q")),
)
def test_any_bytes_pass_or_are_refused(
    checked: tuple[Callable[[bytes], object], bytes],
    data: bytes,
    seed: int,
    place: int,
    number: int,
    form: str,
) -> None:
    (check, signature), chance = checked, random.Random(seed)
    written = struct.pack(form, number & ((1 << 8 * struct.calcsize(form)) - 1))
    numbered = data[:place] + written + data[place + len(written) :]
    for tried in (numbered, damage.file(data or b"x", list(FILES.values()), chance)):
        with contextlib.suppress(errors.BadImageError):
            check(signature + tried[len(signature) :])


@hypothesis.settings(max_examples=300)
@hypothesis.given(
    block=st.binary(max_size=60),
    head=st.sampled_from((b"", b"Exif\0\0", b"II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08")),
)
def test_any_exif_block_has_an_orientation(block: bytes, head: bytes) -> None:
    assert exif.orientation(head + block) in range(1, 9)


@hypothesis.settings(max_examples=200)
@hypothesis.given(
    header=st.text("{}()[]'\":,| \nudescrfortran_ordershapeTrueFalse0123456789<>=-", max_size=90),
    form=st.sampled_from(
        (
            "{}",
            "{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}",
            "{{'descr': {}, 'fortran_order': False, 'shape': (4, 4, 3), }}",
            "{{'descr': '|u1', 'fortran_order': {}, 'shape': (4, 4, 3), }}",
        )
    ),
    version=st.sampled_from(((1, 0), (2, 0), (3, 0), (0, 0))),
)
def test_any_npy_header_is_read_or_refused(
    header: str, form: str, version: tuple[int, int]
) -> None:
    text = form.format(header).encode()
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    data = b"\x93NUMPY" + bytes(version) + size + text + bytes(48)
    with contextlib.suppress(errors.BadImageError):
        picture = decode.open_picture(data, LIMIT)
        decode.read(picture, 4, 4)
