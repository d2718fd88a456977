"""Where a worker finds the encoded picture of a request."""

from pathlib import Path

import pytest

from parallax.contract import errors, messages
from parallax.slab import layout as layouts
from parallax.slab import pictures, slab
from parallax.workers import originals
from tests.workers import world as worlds


@pytest.fixture
def shelf(tmp_path: Path) -> tuple[slab.Slab, pictures.Pictures]:
    layout = layouts.SlabLayout((layouts.ArenaLayout(1, 100),), board_rows=1)
    path = tmp_path / "slab"
    path.write_bytes(bytes(layout.size))
    shared = slab.Slab(str(path), layout)
    return shared, pictures.Pictures(shared, 0, str(path))


def record(place: messages.ArrayRef | None) -> messages.PreWork:
    params, options = messages.DetectionParams(), messages.ImageOptions()
    return messages.PreWork(worlds.route("r"), "m", params, options, place)


def test_it_is_in_the_slab_or_in_the_bulk(shelf: tuple[slab.Slab, pictures.Pictures]) -> None:
    shared, kept = shelf

    assert originals.encoded(record(kept.keep(b"picture")), b"", shared) == b"picture"
    assert originals.encoded(record(None), b"bulk", shared) == b"bulk"


def test_a_picture_that_was_taken_back_is_wanted_by_nobody(
    shelf: tuple[slab.Slab, pictures.Pictures],
) -> None:
    shared, kept = shelf
    place = kept.keep(b"picture")
    assert place is not None
    kept.drop(place)

    # And not TensorLostError: the record would be sent round for a picture that is gone for good.
    with pytest.raises(errors.DeadlineExceededError):
        originals.encoded(record(place), b"", shared)


def test_a_place_outside_the_slab_is_an_error(shelf: tuple[slab.Slab, pictures.Pictures]) -> None:
    outside = messages.ArrayRef((1,), "|u1", messages.SlotRef(9, 9, 9))

    with pytest.raises(errors.MalformedEntryError):
        originals.encoded(record(outside), b"", shelf[0])
