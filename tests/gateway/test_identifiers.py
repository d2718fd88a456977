"""Random ids have the form of UUIDs."""

import uuid

import pytest

from parallax.gateway import identifiers


def test_a_dashed_id_is_a_random_uuid() -> None:
    text = identifiers.dashed()
    known = uuid.UUID(text)

    assert str(known) == text
    assert (known.version, known.variant) == (4, uuid.RFC_4122)


def test_a_compact_id_is_the_same_without_dashes() -> None:
    text = identifiers.compact()

    assert uuid.UUID(text).hex == text


@pytest.mark.parametrize("bits", [0, 255])
def test_the_bits_of_the_form_do_not_depend_on_the_random_ones(
    bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.urandom", lambda count: bytes([bits]) * count)

    assert uuid.UUID(identifiers.compact()) == uuid.UUID(bytes=bytes([bits]) * 16, version=4)
