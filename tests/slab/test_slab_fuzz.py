"""References of a stranger: what they describe is read inside its own slot, or refused."""

import tempfile
from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from parallax.contract import errors, messages
from parallax.slab import layout as layouts
from parallax.slab import slab as slabs

LAYOUT = layouts.SlabLayout((layouts.ArenaLayout(2, 5000), layouts.ArenaLayout(2, 100)), 1)
NUMBERS = st.one_of(
    st.integers(-3, 6),
    st.sampled_from((100, 4096, 5000, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)),
    st.integers(-(1 << 63), (1 << 64) - 1),
)
TYPES = st.one_of(
    st.sampled_from(("|u1", "<f4", "<f2", "<i8", "|b1", "<U3", "|S0", "V0", "V8", "O", "|O8")),
    st.sampled_from(("(2,", "(1<<9)u1", "u1,O", "(3,)O", "f4,f4", "m8[D]", "a", "c16", ">u4", "(")),
    st.text(max_size=8),
    st.text("(),[]{}<>|=biufcOSUVmM0123456789:*", max_size=12),
)


@pytest.fixture(scope="module")
def slab() -> Iterator[slabs.Slab]:
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(LAYOUT.size)
        made = slabs.Slab(file.name, LAYOUT)
        for arena in (0, 0, 1, 1):
            slot = made.arena(arena).allocate("1-0")
            assert slot is not None
            made.arena(arena).publish(slot)
        yield made


@hypothesis.settings(max_examples=400)
@hypothesis.given(
    shape=st.lists(NUMBERS, max_size=70).map(tuple),
    dtype=TYPES,
    arena=st.sampled_from((0, 0, 0, 1, 1, 2, -1, 1 << 62)),
    slot=st.sampled_from((0, 0, 1, 1, 2, -1, 1 << 62)),
    generation=st.sampled_from((1, 1, 1, 0, 2, -1, 1 << 40)),
)
@pytest.mark.filterwarnings("ignore:Data type alias:DeprecationWarning")
def test_a_stranger_reads_inside_one_slot_or_is_refused(
    slab: slabs.Slab, shape: tuple[int, ...], dtype: str, arena: int, slot: int, generation: int
) -> None:
    place = messages.SlotRef(arena, slot, generation)
    try:
        array = slab.array(messages.ArrayRef(shape, dtype, place))
    except (errors.MalformedEntryError, errors.TensorLostError):
        return
    assert not array.dtype.hasobject
    assert array.shape == shape
    begin, end = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    whole = slab.array(messages.ArrayRef((LAYOUT.arenas[arena].slot_bytes,), "|u1", place))
    first, last = np.lib.array_utils.byte_bounds(whole)
    assert array.nbytes == 0 or first <= begin <= end <= last


@pytest.mark.parametrize("dtype", ["(2,", "("])
def test_a_type_that_is_a_broken_expression_is_malformed(slab: slabs.Slab, dtype: str) -> None:
    with pytest.raises(errors.MalformedEntryError):
        slab.array(messages.ArrayRef((1,), dtype, messages.SlotRef(0, 0, 1)))
