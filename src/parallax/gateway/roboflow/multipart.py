"""The one part of a multipart body that matters here: the file named ``file``."""

from collections.abc import AsyncGenerator

from starlette import datastructures, formparsers

from parallax.gateway import problems

PART = "file"

_MOST_PARTS = 32
_LARGEST_FIELD = 64 * 1024


async def picture(content_type: str, body: bytes) -> bytes:
    """Return the encoded picture.

    Raises:
        BadImageError: the body is malformed, has too many parts, or has no such file.
    """
    parser = formparsers.MultiPartParser(
        datastructures.Headers({"content-type": content_type}),
        _pieces(body),
        max_files=_MOST_PARTS,
        max_fields=_MOST_PARTS,
        max_part_size=_LARGEST_FIELD,
    )
    # The body is in memory and bounded already, so nothing is gained by writing it to a disk.
    parser.spool_max_size = len(body) + 1
    try:
        form = await parser.parse()
        part = form.get(PART)
        if not isinstance(part, datastructures.UploadFile):
            raise problems.not_loaded(f'The multipart body has no file named "{PART}".')
        content = await part.read()
    except formparsers.MultiPartException as problem:
        raise problems.not_loaded(f"The multipart body cannot be read: {problem.message}") from None
    finally:
        for each in parser._files_to_close_on_error:  # also those that were cut short
            each.close()
    if not content:
        raise problems.not_loaded(f'The part "{PART}" is empty.')
    return content


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
