"""What is loaded, served and told, after any order of events."""

from hypothesis import given
from hypothesis import strategies as st

from parallax.contract import errors, roster, spec
from parallax.policy import shelf as shelves
from tests.support import fakes

V1, V2, V3 = (fakes.model("m", version=version) for version in ("v1", "v2", "v3"))
OTHER = fakes.model("other")
DEMO = fakes.model("demo")


def reading(model: spec.ModelSpec, place: str | None = None) -> spec.Reading:
    where = f"/{model.id}" if place is None else place
    return spec.Reading(where, f"{where}/x.onnx", model.id, model)


def refusal(model_id: str, reason: str = "broken") -> spec.Reading:
    return spec.Reading(f"/{model_id}", f"/{model_id}/x.onnx", model_id, reason=reason)


def shelf(*models: spec.ModelSpec) -> shelves.Shelf:
    """Return a shelf on which these are served."""
    made = shelves.Shelf()
    for model in models:
        made.take(reading(model))
    load_all(made)
    return made


def load_all(on: shelves.Shelf) -> list[str]:
    """Load whatever shall be loaded; return the versions in order."""
    done = []
    while (model := on.next()) is not None:
        on.loaded(model, model)
        done.append(model.version)
    return done


def state(on: shelves.Shelf, model_id: str = "m") -> tuple[str, str, str]:
    """Return state, version and reason of a package."""
    (row,) = [each for each in on.rows() if each.id == model_id]
    return row.state.value, row.version, row.reason


def test_what_is_read_is_served_once_it_is_loaded() -> None:
    made = shelves.Shelf()
    made.take(reading(V1))
    assert (made.next(), made.serving(), made.others()) == (V1, (), (V1,))
    assert state(made) == ("loading", "v1", "")

    made.loaded(V1, V1)

    assert (made.next(), made.serving(), made.others()) == (None, (V1,), ())
    assert state(made) == ("loaded", "v1", "")


def test_the_old_version_is_served_until_the_new_one_is_loaded() -> None:
    made = shelf(V1)
    made.take(reading(V2))
    assert (made.next(), made.serving()) == (V2, (V1,))
    assert state(made) == ("loaded", "v1", "a new version is being loaded")

    made.loaded(V2, V2)

    assert (made.serving(), state(made)) == ((V2,), ("loaded", "v2", ""))


def test_a_version_that_cannot_be_loaded_changes_only_the_reason() -> None:
    made = shelf(V1)
    made.take(reading(V2))
    made.refuse(V2, "out of memory")

    assert (made.next(), made.serving()) == (None, (V1,))
    assert state(made) == ("loaded", "v1", "out of memory")


def test_a_version_that_cannot_be_read_changes_only_the_reason() -> None:
    made = shelf(V1)
    made.take(refusal("m", "half a file"))

    assert (made.next(), made.serving()) == (None, (V1,))
    assert state(made) == ("loaded", "v1", "half a file")


def test_the_next_content_clears_the_reason() -> None:
    made = shelf(V1)
    made.take(refusal("m"))
    made.take(reading(V2))
    load_all(made)

    assert state(made) == ("loaded", "v2", "")


def test_a_version_overtaken_while_it_was_loaded_is_not_served() -> None:
    made = shelf(V1)
    made.take(reading(V2))
    made.take(reading(V3))
    made.loaded(V2, V2)
    assert made.serving() == (V1,)

    assert load_all(made) == ["v3"]
    assert made.serving() == (V3,)


def test_the_same_content_again_is_not_loaded_again() -> None:
    made = shelf(V1)
    made.take(reading(fakes.model("m", aliases=("x",))))

    assert made.next() is None
    assert made.serving()[0].aliases == ("x",)


def test_a_removed_package_is_served_no_more() -> None:
    made = shelf(V1, OTHER)
    made.drop("/m")

    assert (made.serving(), made.next()) == ((OTHER,), None)
    assert [row.id for row in made.rows()] == ["other"]
    made.drop("/nowhere")


def test_a_place_that_turns_into_another_model_is_another_model() -> None:
    made = shelf(V1)
    made.take(reading(OTHER, "/m"))
    load_all(made)

    assert [model.id for model in made.serving()] == ["other"]


def test_of_two_packages_with_one_id_the_first_is_served_and_the_other_takes_over() -> None:
    made = shelf(V1)
    made.take(reading(V2, "/elsewhere"))
    assert (made.next(), made.serving()) == (None, (V1,))
    assert [row.reason for row in made.rows()] == [
        "",
        "the id 'm' is already taken by another package",
    ]

    made.drop("/m")

    assert load_all(made) == ["v2"]
    assert made.serving() == (V2,)


class TestByRequest:
    """Unloading and loading."""

    def test_an_unloaded_model_waits_until_it_is_asked_for(self) -> None:
        made = shelf(V1, OTHER)
        made.unload("m")
        assert (made.serving(), made.others(), made.next()) == ((OTHER,), (V1,), None)
        assert state(made) == ("unloaded", "v1", "")
        assert isinstance(made.verdict("m"), errors.OverloadedError)

        made.load("m")

        assert made.verdict("m") is None
        assert load_all(made) == ["v1"]
        assert made.serving() == (V1, OTHER)

    def test_all_can_be_unloaded(self) -> None:
        made = shelf(V1, OTHER)
        made.unload("")

        assert (made.serving(), made.next(), made.lacks_demo) == ((), None, False)

    def test_a_new_version_of_an_unloaded_model_is_what_is_loaded_later(self) -> None:
        made = shelf(V1, OTHER)
        made.unload("m")
        made.take(reading(V2))
        assert (made.next(), state(made)) == (None, ("unloaded", "v2", ""))

        made.load("m")

        assert load_all(made) == ["v2"]

    def test_a_package_that_was_removed_and_put_back_is_loaded(self) -> None:
        made = shelf(V1, OTHER)
        made.unload("m")
        made.drop("/m")
        made.take(reading(V1))

        assert load_all(made) == ["v1"]

    def test_a_version_that_could_not_be_loaded_is_tried_again(self) -> None:
        made = shelf(OTHER)
        made.take(reading(V1))
        made.refuse(V1, "out of memory")
        assert (made.next(), state(made)) == (None, ("refused", "v1", "out of memory"))
        assert str(made.verdict("m")) == "Model m cannot be served: out of memory"

        made.load("m")

        assert made.verdict("m") is None
        assert load_all(made) == ["v1"]

    def test_what_has_no_package_is_unknown(self) -> None:
        made = shelf(V1)
        made.load("cat")
        made.unload("cat")

        assert isinstance(made.verdict("cat"), errors.UnknownModelError)
        assert made.serving() == (V1,)


class TestDemo:
    """The model of a server that has none."""

    def test_it_is_served_while_there_is_nothing_else(self) -> None:
        made = shelves.Shelf()
        assert made.lacks_demo
        made.take(reading(DEMO, shelves.DEMO_PLACE))
        load_all(made)

        assert (made.lacks_demo, made.serving()) == (False, (DEMO,))

    def test_the_first_package_takes_its_place_when_it_is_loaded(self) -> None:
        made = shelves.Shelf()
        made.take(reading(DEMO, shelves.DEMO_PLACE))
        load_all(made)
        made.take(reading(V1))
        assert made.serving() == (DEMO,)

        made.loaded(V1, V1)

        assert (made.serving(), made.next()) == ((V1,), None)
        assert [row.id for row in made.rows()] == ["m"]

    def test_it_comes_back_when_the_last_package_is_removed(self) -> None:
        made = shelves.Shelf()
        made.take(reading(DEMO, shelves.DEMO_PLACE))
        made.take(reading(V1))
        load_all(made)
        made.drop("/m")

        assert load_all(made) == ["v1"]
        assert made.serving() == (DEMO,)

    def test_a_package_that_is_refused_does_not_take_its_place(self) -> None:
        made = shelves.Shelf()
        made.take(reading(DEMO, shelves.DEMO_PLACE))
        load_all(made)
        made.take(refusal("m"))

        assert made.serving() == (DEMO,)


def test_outputs_without_room_are_served_another_way() -> None:
    made = shelf()
    large = fakes.model("m", output_bytes=1 << 30)
    made.take(reading(large))
    made.loaded(large, V1)

    assert (made.serving(), made.next()) == ((V1,), None)


EVENTS = st.one_of(
    st.tuples(st.just("take"), st.sampled_from([V1, V2, V3, OTHER])),
    st.tuples(st.just("break"), st.sampled_from(["m", "other"])),
    st.tuples(st.just("drop"), st.sampled_from(["/m", "/other"])),
    st.tuples(st.just("load"), st.sampled_from(["m", "other"])),
    st.tuples(st.just("unload"), st.sampled_from(["m", "other", ""])),
    st.tuples(st.just("succeed"), st.none()),
    st.tuples(st.just("fail"), st.none()),
)


@given(st.lists(EVENTS, max_size=30))
def test_nothing_is_served_that_was_not_loaded(events: list[tuple[str, object]]) -> None:
    made = shelves.Shelf()
    loaded: set[tuple[str, str]] = set()
    for event in events:
        match event:
            case "take", spec.ModelSpec() as model:
                made.take(reading(model))
            case "break", str(name):
                made.take(refusal(name))
            case "drop", str(place):
                made.drop(place)
            case "load", str(name):
                made.load(name)
            case "unload", str(name):
                made.unload(name)
            case outcome, _:
                end_load(made, loaded, succeeds=outcome == "succeed")
        serving = made.serving()
        assert {(model.id, model.version) for model in serving} <= loaded
        assert len({model.id for model in serving}) == len(serving)
        loaded = {(model.id, model.version) for model in serving}
        states = {row.id: row.state for row in made.rows()}
        assert all(states[model.id] is roster.State.LOADED for model in serving)


def end_load(made: shelves.Shelf, loaded: set[tuple[str, str]], *, succeeds: bool) -> None:
    model = made.next()
    if model is not None and succeeds:
        loaded.add((model.id, model.version))
        made.loaded(model, model)
    elif model is not None:
        made.refuse(model, "it fails")


def test_a_place_without_a_package_has_no_line() -> None:
    made = shelf(V1)

    line = made.at("/m")
    assert line is not None
    assert (line.id, line.state, line.version) == ("m", roster.State.LOADED, "v1")
    assert made.at("/nothing") is None
