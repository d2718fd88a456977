"""One name, one model."""

from parallax.policy import naming
from tests.support import fakes


def test_a_free_alias_is_kept() -> None:
    (model,), notes = naming.settle([fakes.model("a", aliases=("x", "y"))])

    assert (model.aliases, list(notes)) == (("x", "y"), [])


def test_the_first_model_gets_a_shared_alias_and_the_other_a_note() -> None:
    (first, second), notes = naming.settle(
        [fakes.model("a", aliases=("x",)), fakes.model("b", aliases=("x", "z"))]
    )

    assert (first.aliases, second.aliases) == (("x",), ("z",))
    assert list(notes) == ["b: the alias 'x' is already taken by a"]


def test_an_id_is_nobody_else_s_alias() -> None:
    (first, _), notes = naming.settle([fakes.model("a", aliases=("b", "a")), fakes.model("b")])

    assert first.aliases == ()
    assert list(notes) == ["a: the alias 'b' is already taken by b"]
