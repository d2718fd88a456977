"""Real photographs: those inside the scikit-image package, read as files without importing it.

scikit-image depends on pillow, which would overwrite Pillow-SIMD; so the tests' environment
installs it with ``--no-deps``, as a box of pictures. Tests that need one are skipped where it is
missing.
"""

import importlib.util
from pathlib import Path

import pytest


def path(name: str) -> Path:
    """Return the path of a photo (``astronaut.png``); skip the test when it is not installed."""
    found = importlib.util.find_spec("skimage")
    for folder in (found.submodule_search_locations or ()) if found else ():
        photo = Path(folder) / "data" / name
        if photo.is_file():
            return photo
    pytest.skip(f"photo {name} needs scikit-image, installed with --no-deps")


def read(name: str) -> bytes:
    """Return the encoded bytes of a photo; skip the test when it is not installed."""
    return path(name).read_bytes()
