"""The pictures that are sent: a user's, or generated ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from parallax.bench import failures, photographs, result, targets
from parallax.contract import errors
from parallax.vision import decode

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_MOST_BYTES = 256_000_000
"""Each client process holds all of them, made into requests."""
_MOST_PIXELS = 178_000_000

Picture = tuple[bytes, targets.Size]


def load(folder: Path | None) -> list[Picture]:
    """Return the pictures with their sizes, those of a folder in the order of their names.

    Raises:
        BenchError: the folder has none, too many bytes of them, a file that is no picture, or one
            that cannot be read.
    """
    if folder is None:
        return [(data, size_of(data, "generated")) for data in photographs.encoded()]
    try:
        found = list(_read(folder))
    except OSError as problem:
        where = problem.filename or folder
        raise failures.BenchError(f"--images: {where}: {problem.strerror}") from problem
    if not found:
        raise failures.BenchError(
            f"--images: {folder} has no picture ({', '.join(sorted(_SUFFIXES))})"
        )
    return found


def _read(folder: Path) -> Iterator[Picture]:
    total = 0
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            total += path.stat().st_size
            if total > _MOST_BYTES:
                raise failures.BenchError(
                    f"--images: {folder} has more than {_MOST_BYTES // 1_000_000} MB of pictures; "
                    "each client keeps all of them in memory, so name a folder with fewer"
                )
            data = path.read_bytes()
            yield data, size_of(data, str(path))


def size_of(data: bytes, name: str) -> targets.Size:
    """Return width and height after the EXIF orientation.

    Raises:
        BenchError: not a picture.
    """
    try:
        found = decode.open_picture(data, _MOST_PIXELS)
    except errors.BadImageError as problem:
        raise failures.BenchError(f"--images: {name}: {problem.message}") from problem
    return found.width, found.height


def describe(pictures: Sequence[Picture]) -> result.Pictures:
    """Return what a report says of them."""
    sizes = sorted({size for _, size in pictures}, key=lambda size: (size[0] * size[1], size))
    return result.Pictures(
        count=len(pictures),
        mean_bytes=sum(len(data) for data, _ in pictures) / len(pictures),
        sizes=[f"{width}x{height}" for width, height in sizes],
    )
