"""Where an area of the upright picture lies before the turn."""

import numpy as np
import pytest

from parallax.vision import exif
from tests.support import pictures


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_area_is_found_in_the_stored_picture(orientation: int) -> None:
    stored = pictures.noise(9, 6)
    turn = exif.TURNS.get(orientation)
    upright = stored if turn is None else stored.transpose(turn)
    area = (1, 2, 4, 6)
    wanted = np.asarray(upright.crop(area))

    found = exif.as_stored(area, upright.size, orientation)
    part = stored.crop(found)
    turned = part if turn is None else part.transpose(turn)
    assert (np.asarray(turned) == wanted).all()
