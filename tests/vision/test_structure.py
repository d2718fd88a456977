"""Small files that would take minutes or gigabytes to read are refused by how they are built."""

import struct
import zlib

import numpy as np
import pytest

from parallax.contract import errors
from parallax.vision import decode, structure
from tests.support import picture_files
from tests.support.pictures import encoded, gradient

LIMIT = 100_000_000
JPEG = encoded(gradient(), "JPEG", progressive=True)
PNG = encoded(gradient(), "PNG")
GIF = encoded(gradient(), "GIF")


def refused(data: bytes, why: str) -> None:
    with pytest.raises(errors.BadImageError, match=why):
        decode.open_picture(data, LIMIT)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def tiff(entries: list[tuple[int, int, int]], payload: bytes = b"", big: bool = False) -> bytes:
    """Return the start of a TIFF; entries are tag, type and count, and all share the payload."""
    head = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, len(entries)) if big else b"II*\0\x08\0\0\0"
    kind, offset = ("<HHQQ", len(head) + 20 * len(entries)) if big else ("<HHII", 0)
    count = b"" if big else struct.pack("<H", len(entries))
    return head + count + b"".join(struct.pack(kind, *e, offset) for e in entries) + payload


@pytest.mark.parametrize("kind", [b"\xff\xe5\x00\x02", b"\xff\xfe\x00\x02", b"\xff\xff", b"\0"])
def test_a_jpeg_of_very_many_segments_is_refused(kind: bytes) -> None:
    refused(JPEG[:2] + b"\xff\xe5\x00\x02" + kind * structure.MAX_PARTS + JPEG[2:], "segments")


def test_segments_behind_a_marker_that_pillow_reads_without_a_length_count() -> None:
    hidden = b"\xff\xe5\x00\x02" * structure.MAX_PARTS
    refused(JPEG[:2] + b"\xff\xe5\x00\x02\xff\xf0\xff\xff" + hidden + JPEG[2:], "segments")


def test_a_jpeg_with_a_huge_header_is_refused() -> None:
    exif = segment(0xFFE1, b"Exif\0\0" + bytes(65_000))
    refused(JPEG[:2] + exif * 260 + JPEG[2:], "bytes before its picture")


def test_entries_of_an_exif_block_that_share_their_bytes_are_not_read() -> None:
    shared = tiff([(40_000 + tag, 1, 30_000) for tag in range(2_000)], bytes(30_000))
    app = segment(0xFFE1, b"Exif\0\0" + shared)
    start = JPEG[:2] + app + JPEG[4 + struct.unpack_from(">H", JPEG, 4)[0] :]
    picture = decode.open_picture(start, LIMIT)
    assert not getattr(picture.source, "_exif", None)


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    last = JPEG[JPEG.rindex(b"\xff\xda") : -2]
    refused(JPEG[:-2] + last * structure.MAX_SCANS + b"\xff\xd9", "scans")


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, True), ({"subsampling": "4:2:0"}, True), ({"progressive": True}, False)],
)
def test_only_a_baseline_jpeg_is_sure_to_have_one_scan(
    options: dict[str, object], expected: bool
) -> None:
    assert structure.check_jpeg_header(encoded(gradient(), "JPEG", **options)) is expected
    assert structure.check_jpeg_header(encoded(gradient().convert("L"), "JPEG")) is True


def test_a_jpeg_whose_first_scan_lacks_a_component_is_not_sure_to_have_one_scan() -> None:
    data = bytearray(encoded(gradient(), "JPEG"))
    data[data.index(b"\xff\xda") + 4] = 1
    assert not structure.check_jpeg_header(bytes(data))


@pytest.mark.parametrize("odd", [b"\xff\xf0", b"\xff", b"\0", b"\xff\xc9\x00\x02"])
def test_a_jpeg_with_anything_odd_in_its_header_is_not_sure_to_have_one_scan(odd: bytes) -> None:
    data = encoded(gradient(), "JPEG")
    assert not structure.check_jpeg_header(data[:2] + odd + data[2:])


def test_a_large_jpeg_may_have_fewer_scans() -> None:
    scans = b"\xff\xda" * 30
    structure.check_jpeg_scans(scans, (8_000, 8_000))
    with pytest.raises(errors.BadImageError, match="more than 20 scans"):
        structure.check_jpeg_scans(scans, (10_000, 10_000))


def test_a_png_of_very_many_chunks_is_refused() -> None:
    chunk = struct.pack(">I4sI", 0, b"aaAa", zlib.crc32(b"aaAa"))
    refused(PNG[:33] + chunk * structure.MAX_PARTS + PNG[33:], "chunks")


@pytest.mark.parametrize("comment", [b"!\xfe\x01c\0", b"!\xfe" + b"\x01c" * 5_000 + b"\0"])
def test_a_gif_of_very_many_comments_is_refused(comment: bytes) -> None:
    at = 13 + (3 << ((GIF[10] & 7) + 1))
    refused(GIF[:at] + comment * structure.MAX_BLOCKS + GIF[at:], "blocks before its picture")


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_whose_entries_share_their_bytes_is_refused(big: bool) -> None:
    shared = tiff([(40_000 + tag, 1, 50_000) for tag in range(100)], bytes(50_000), big)
    refused(shared, "more bytes than the file has")


def test_a_tiff_of_very_many_entries_is_refused() -> None:
    refused(tiff([(40_000, 1, 1)] * (structure.MAX_ENTRIES + 1)), "directory of 4097 entries")


def test_a_tiff_of_very_many_strips_is_refused() -> None:
    count = structure.MAX_NUMBERS + 1
    refused(tiff([(273, 4, count)], bytes(4 * count)), "numbers in one entry")


TILED = picture_files.tiled_tiff(np.asarray(gradient(64, 32)))


def retiled(tag: int, kind: int, count: int, value: int) -> bytes:
    """Return a TIFF of 64x32 pixels with another entry for a side of its tiles."""
    at = TILED.index(struct.pack("<HHI", tag, 4, 1))
    return TILED[:at] + struct.pack("<HHII", tag, kind, count, value) + TILED[at + 12 :]


@pytest.mark.parametrize("side", [1 << 20, (1 << 32) - 16])
def test_a_tiff_of_tiles_much_larger_than_its_picture_is_refused(side: int) -> None:
    refused(retiled(322, 4, 1, side), f"64x32 in tiles of {side}x")
    refused(retiled(323, 4, 1, side), f"64x32 in tiles of 16x{side}")


@pytest.mark.parametrize(("kind", "count"), [(1, 1), (16, 1), (4, 2), (12, 1), (4, 0)])
def test_a_tiff_that_hides_the_size_of_its_tiles_is_refused(kind: int, count: int) -> None:
    refused(retiled(322, kind, count, 16), "no plain size")


def test_a_second_size_of_tiles_does_not_hide_the_first() -> None:
    large = struct.pack("<HHII", 322, 4, 1, 1 << 30)
    small = struct.pack("<HHII", 322, 4, 1, 16)
    entries = tiff([], b"")[:8] + struct.pack("<H", 2)
    for pair in (large + small, small + large):
        with pytest.raises(errors.BadImageError, match="in tiles of"):
            structure.check_tiff_tiles(entries + pair, (64, 32))


@pytest.mark.parametrize("side", [16, 256, 2048])
def test_a_tile_of_a_usual_size_may_be_larger_than_the_picture(side: int) -> None:
    structure.check_tiff_tiles(retiled(322, 4, 1, side), (64, 32))
    structure.check_tiff_tiles(retiled(322, 3, 1, side), (64, 32))


@pytest.mark.parametrize(("side", "length"), [(5_000, 2), (100, structure.MAX_RUNS)])
def test_a_large_bmp_with_run_lengths_is_refused(side: int, length: int) -> None:
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 0, 0, 0, 256, 0)
    refused(b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + header + bytes(1024 + length), "run leng")
