"""What a stage worker looks up, while the roster changes."""

from parallax.contract import roster
from parallax.workers import known
from tests.support import fakes

OLD, NEW = fakes.model("m", version="v1"), fakes.model("m", version="v2")
GONE = fakes.model("gone")


def test_new_pictures_get_the_version_that_is_served() -> None:
    models = known.Known(roster.Roster(3, serving=(NEW,), leaving=(OLD,)))

    assert models.generation == 3
    assert models.current.get("m") == NEW


def test_an_entry_gets_the_version_that_it_names() -> None:
    models = known.Known(roster.Roster(serving=(NEW,), leaving=(OLD,)))

    assert models.versions.get(("m", "v1")) == OLD
    assert models.versions.get(("m", "v2")) == NEW
    assert models.versions.get(("m", "v3")) is None


def test_a_model_that_leaves_is_there_for_requests_in_flight() -> None:
    models = known.Known(roster.Roster(leaving=(GONE,)))
    assert models.current.get("gone") == GONE

    models.replace(roster.Roster(1))

    assert models.current.get("gone") is None
    assert len(models.versions) == 0


def test_what_was_handed_out_shows_the_change() -> None:
    models = known.Known(roster.Roster(loading=(OLD,)))
    current = models.current
    assert list(current) == [], "what is being loaded is nobody's yet"

    models.replace(roster.Roster(1, serving=(OLD,)))

    assert dict(current) == {"m": OLD}
