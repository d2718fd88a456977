"""When a change in a folder counts."""

import pytest

from parallax.policy import settling

QUIET = 1.0

NOTHING = settling.Changes()


def changed(*paths: str) -> settling.Changes:
    return settling.Changes(changed=paths)


def gone(*paths: str) -> settling.Changes:
    return settling.Changes(gone=paths)


Look = tuple[float, dict[str, str], settling.Changes]


@pytest.mark.parametrize(
    ("taken", "looks"),
    [
        pytest.param({"a": "1"}, [(0, {"a": "1"}, NOTHING), (9, {"a": "1"}, NOTHING)], id="same"),
        pytest.param(
            {},
            [(0, {"a": "1"}, NOTHING), (1, {"a": "1"}, changed("a")), (2, {"a": "1"}, NOTHING)],
            id="new, told once",
        ),
        pytest.param(
            {"a": "1"},
            [
                (0, {"a": "2"}, NOTHING),
                (1, {"a": "3"}, NOTHING),
                (2, {"a": "4"}, NOTHING),
                (3, {"a": "4"}, changed("a")),
            ],
            id="still being copied",
        ),
        pytest.param(
            {"a": "1"},
            [(0, {"a": "2"}, NOTHING), (0.5, {"a": "2"}, NOTHING), (1, {"a": "2"}, changed("a"))],
            id="two looks that are too close",
        ),
        pytest.param(
            {"a": "1"},
            [(0, {"a": "2"}, NOTHING), (1, {"a": "1"}, NOTHING), (2, {"a": "1"}, NOTHING)],
            id="changed back",
        ),
        pytest.param(
            {"a": "1"},
            [(0, {}, NOTHING), (1, {}, gone("a")), (2, {}, NOTHING)],
            id="removed, told once",
        ),
        pytest.param(
            {"a": "1"},
            [(0, {}, NOTHING), (1, {"a": "2"}, NOTHING), (2, {"a": "2"}, changed("a"))],
            id="replaced by way of a removal",
        ),
        pytest.param(
            {},
            [(0, {"a": "1"}, NOTHING), (1, {}, NOTHING), (9, {"a": "1"}, NOTHING)],
            id="flickering: it counts from its last appearance on",
        ),
        pytest.param(
            {"a": "1"},
            [
                (0, {"a": "1", "b": "1", "c": "1"}, NOTHING),
                (1, {"a": "1", "b": "2", "c": "1"}, changed("c")),
                (2, {"a": "1", "b": "2", "c": "1"}, changed("b")),
            ],
            id="a slow copy holds up nobody else",
        ),
    ],
)
def test_a_change_counts_once_it_is_over(taken: dict[str, str], looks: list[Look]) -> None:
    judge = settling.Settling(taken, QUIET)

    assert [judge.look(seen, now) for now, seen, _ in looks] == [told for _, _, told in looks]


def test_changes_are_true_when_there_are_any() -> None:
    assert changed("a")
    assert gone("a")
    assert not NOTHING
