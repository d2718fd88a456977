"""A small slab on a real file."""

from pathlib import Path

import pytest

from parallax.slab import layout as layouts
from parallax.slab import slab as slabs

LAYOUT = layouts.SlabLayout(
    (layouts.ArenaLayout(3, 5000), layouts.ArenaLayout(2, 100)), board_rows=2
)


@pytest.fixture
def layout() -> layouts.SlabLayout:
    return LAYOUT


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = tmp_path / "slab"
    made.write_bytes(bytes(LAYOUT.size))
    return str(made)


@pytest.fixture
def slab(path: str) -> slabs.Slab:
    return slabs.Slab(path, LAYOUT)
