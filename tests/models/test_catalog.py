"""What is served from folders, what is not and why, and what is kept for the next start."""

from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest

from parallax.contract import spec
from parallax.models import catalog, fuse, package
from parallax.settings import concerns
from tests.support import onnx_heads, onnx_models, packages


def prepare(folder: Path, max_batch: int = 8, max_delay_ms: float = 0.0) -> spec.Catalog:
    return catalog.prepare([folder / "models"], folder / "cache", max_batch, max_delay_ms)


def make(folder: Path, place: str = "m.onnx", toml: str | None = None, **recipe: Any) -> Path:
    path = folder / "models" / place
    onnx_models.make(path, onnx_models.Recipe(**recipe))
    if toml is not None:
        path.with_suffix(".toml").write_text(toml)
    return path


def only(found: spec.Catalog) -> spec.ModelSpec:
    assert found.refused == ()
    (model,) = found.specs
    return model


def test_a_model_is_served_fused(tmp_path: Path) -> None:
    path = make(tmp_path, "shop/3/weights.onnx", "labels = ['a', 'b', 'c']\naliases = ['x']")
    model = only(prepare(tmp_path))
    assert (model.id, model.aliases, model.labels) == ("shop/3", ("x",), ("a", "b", "c"))
    assert (model.task, model.family) == ("object-detection", "yolov8")
    assert (model.fused, model.plain) == (True, None)
    assert (model.input_name, model.output_names) == (
        "parallax/pixels",
        ("parallax/candidates",),
    )
    assert model.source == str(path)
    assert Path(model.graph).parent == tmp_path / "cache"
    assert len(model.version) == 16
    onnx.checker.check_model(model.graph)


def test_what_the_package_says_of_classes_reaches_the_stages(tmp_path: Path) -> None:
    toml = """
        family = "yolov8"
        labels = ["a", "b", "c"]
        hidden = ["c", "d"]
        colors = { b = "#102030" }
        suppress = false
        thresholds = { default = 0.5, best_by_class = { a = 0.25 } }
    """
    make(tmp_path, toml=toml)
    found = prepare(tmp_path)
    model = only(found)
    assert (model.hidden, model.colors, model.suppress) == ((2,), ("", "#102030", ""), False)
    assert model.thresholds == spec.Thresholds(0.5, None, (0.25, 0.5, 0.5))
    assert "m: hidden: there is no class 'd'" in found.notes


def test_keypoints_have_the_names_that_the_package_gives_them(tmp_path: Path) -> None:
    toml = "task = 'pose'\nfamily = 'yolov8'\nlabels = ['a']\nkeypoints = { names = ['nose'] }"
    make(tmp_path, toml=toml, classes=4)
    assert only(prepare(tmp_path)).skeletons == (spec.Skeleton(("nose",)),)


def test_what_a_package_says_in_vain_is_noted(tmp_path: Path) -> None:
    path = make(tmp_path, "shop/3/weights.onnx")
    packages.write(path.parent / "environment.json", {"RESOLUTION": 640})
    notes = prepare(tmp_path).notes
    assert "shop/3: the graph's width of 64 is used, not 640 as its files say" in notes


def test_it_crosses_process_lines(tmp_path: Path) -> None:
    make(tmp_path)
    found = prepare(tmp_path)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=spec.Catalog) == found


def test_a_model_that_cannot_be_fused_is_served_plain(tmp_path: Path) -> None:
    path = make(tmp_path, opset=10, family="yolox")
    found = prepare(tmp_path)
    model = only(found)
    assert not model.fused
    assert Path(model.graph).read_bytes() == path.read_bytes()
    path.write_bytes(b"something else")
    assert Path(model.graph).stat().st_size > 100, "a loop that starts again still finds it"
    assert model.plain == spec.PlainInput(swap=True, scale=1.0)
    assert (model.input_name, model.output_names) == ("images", ("output0",))
    assert model.output_bytes == 84 * 8 * 4
    assert "m: not fused: opset 10 is older than 11" in found.notes


def head(folder: Path, name: str, opset: int) -> spec.ModelSpec:
    outputs = onnx_heads.HEADS[name].outputs
    onnx_heads.make(folder / "models" / "m.onnx", onnx_heads.Recipe(outputs, opset=opset))
    return only(prepare(folder))


def test_the_layout_of_a_head_goes_with_its_model(tmp_path: Path) -> None:
    model = head(tmp_path, "yolov8-seg", opset=17)
    assert (model.task, model.family, model.fused) == ("instance-segmentation", "yolov8", True)
    assert model.output_names == ("parallax/candidates", "parallax/maps")
    assert (model.layout.coefficients, model.layout.map_size) == (8, (16, 16))
    assert model.output_bytes == max(8 * 16 * 16, 3000 * (6 + 8)) * 4


def test_outputs_of_a_plain_graph_come_in_the_order_its_family_wants(tmp_path: Path) -> None:
    model = head(tmp_path, "rf-detr-seg-swapped", opset=10)
    assert (model.family, model.fused) == ("rf-detr", False)
    assert model.output_names == ("output2", "output1", "output0")
    assert model.output_bytes == (20 * 12 * 12 + 20 * 3 + 20 * 4) * 4


def test_a_model_of_unknown_shapes_is_served_plain(tmp_path: Path) -> None:
    path = make(tmp_path, toml="family = 'yolov8'\nlabels = ['a', 'b', 'c']", symbolic=True)
    onnx.save(onnx_models.with_riddle(onnx.load(path)), path)
    found = prepare(tmp_path)
    model = only(found)
    assert not model.fused
    assert model.output_bytes >= 8400 * 7 * 4
    assert "m: not fused: the shapes of its outputs are not known" in found.notes


def test_a_cache_that_cannot_be_written_leaves_models_plain(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "cache").write_text("a file, not a folder")
    found = prepare(tmp_path)
    assert not only(found).fused
    assert any("the cache cannot be written" in note for note in found.notes)


class TestBatching:
    """Limits of the server and of the model."""

    def test_a_free_axis_has_the_servers_limit(self, tmp_path: Path) -> None:
        make(tmp_path)
        assert only(prepare(tmp_path, 8, 1.5)).batch == spec.BatchSpec(8, None, 1.5)

    def test_the_models_wish_is_heard_below_it(self, tmp_path: Path) -> None:
        make(tmp_path, toml="[batching]\nmax = 4\nmax_delay_ms = 0")
        assert only(prepare(tmp_path, 8, 1.5)).batch == spec.BatchSpec(4, None, 0.0)

    def test_the_models_wish_is_capped(self, tmp_path: Path) -> None:
        make(tmp_path, toml="[batching]\nmax = 40")
        found = prepare(tmp_path)
        assert only(found).batch.max_size == 8
        assert "m: batches of 40 are wanted, the server's limit is 8" in found.notes

    def test_a_fixed_axis_is_what_it_is(self, tmp_path: Path) -> None:
        make(tmp_path, batch=16)
        assert only(prepare(tmp_path)).batch == spec.BatchSpec(16, 16, 0.0)


class TestCache:
    """Fused graphs are kept by content."""

    @staticmethod
    def count_fusing(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        fused: list[Path] = []
        real = fuse.fuse

        def counting(source: Any, plan: fuse.Plan) -> bytes:
            fused.append(source.path)
            return real(source, plan)

        monkeypatch.setattr(fuse, "fuse", counting)
        return fused

    def test_work_is_done_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fused = self.count_fusing(monkeypatch)
        make(tmp_path)
        assert prepare(tmp_path) == prepare(tmp_path)
        assert len(fused) == 1

    def test_a_damaged_file_is_made_anew(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(tmp_path)
        graph = Path(only(prepare(tmp_path)).graph)
        whole = graph.read_bytes()
        graph.write_bytes(whole[:-5])
        fused = self.count_fusing(monkeypatch)
        only(prepare(tmp_path))
        assert len(fused) == 1
        assert graph.read_bytes() == whole

    def test_another_description_is_another_version(self, tmp_path: Path) -> None:
        make(tmp_path, toml="")
        first = only(prepare(tmp_path))
        make(tmp_path, toml="[input]\npadding = 0")
        second = only(prepare(tmp_path))
        assert first.version != second.version
        assert first.graph != second.graph

    def test_another_way_of_fusing_is_another_version(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(tmp_path)
        first = only(prepare(tmp_path))
        monkeypatch.setattr(fuse, "FUSE_VERSION", 999)
        assert only(prepare(tmp_path)).version != first.version


class TestRefused:
    """One bad package is its own problem."""

    def test_the_others_are_served(self, tmp_path: Path) -> None:
        make(tmp_path, "good.onnx")
        bad = make(tmp_path, "bad.onnx")
        bad.write_bytes(b"hello")
        found = prepare(tmp_path)
        assert [model.id for model in found.specs] == ["good"]
        ((path, reason),) = found.refused
        assert path == str(bad)
        assert reason.startswith("not an ONNX file")

    def test_a_side_file_is_named(self, tmp_path: Path) -> None:
        path = make(tmp_path, toml="famly = 3")
        ((where, reason),) = prepare(tmp_path).refused
        assert where == str(path)
        assert reason == f"{path.with_suffix('.toml')}: unknown key `famly`; did you mean family?"

    def test_one_id_twice(self, tmp_path: Path) -> None:
        bare, folder = make(tmp_path, "m.onnx"), make(tmp_path, "m/w.onnx")
        found = prepare(tmp_path)
        assert [model.source for model in found.specs] == [str(bare)]
        assert found.refused == ((str(folder), f"the id 'm' is already taken by {bare}"),)

    def test_a_folder_that_is_missing(self, tmp_path: Path) -> None:
        assert prepare(tmp_path).refused == ((str(tmp_path / "models"), "no such folder"),)

    def test_whatever_goes_wrong_inside(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(source: Any, plan: fuse.Plan) -> bytes:
            raise KeyError("surprise")

        monkeypatch.setattr(fuse, "fuse", broken)
        path = make(tmp_path)
        assert prepare(tmp_path).refused == ((str(path), "cannot be prepared: 'surprise'"),)


def test_aliases_that_are_taken_or_malformed_are_dropped(tmp_path: Path) -> None:
    make(tmp_path, "a.onnx", "aliases = ['b', 'both', 'a', '../x']")
    make(tmp_path, "b.onnx", "aliases = ['both', 'mine']")
    found = prepare(tmp_path)
    assert [model.aliases for model in found.specs] == [("both",), ("mine",)]
    notes = "\n".join(found.notes)
    assert "a: the alias 'b' is already taken by b" in notes
    assert "b: the alias 'both' is already taken by a" in notes
    assert "a: an alias is ignored: the model id '../x' has a segment '..'" in notes


class TestDemo:
    """The embedded model answers where there is no other."""

    @pytest.fixture(autouse=True)
    def _demo(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = onnx_models.make(tmp_path / "package" / "detector.onnx")
        monkeypatch.setattr(catalog, "_demo_path", lambda: path)

    def test_without_folders(self, tmp_path: Path) -> None:
        model = only(catalog.prepare([], tmp_path / "cache", 8, 0.0))
        assert (model.id, model.aliases) == ("demo", ("demo/1",))

    def test_with_empty_folders_only(self, tmp_path: Path) -> None:
        (tmp_path / "models").mkdir()
        found = prepare(tmp_path)
        assert only(found).id == "demo"
        assert "serving the demo model" in found.notes[0]

    def test_not_beside_a_model_that_is_refused(self, tmp_path: Path) -> None:
        make(tmp_path).write_bytes(b"hello")
        assert prepare(tmp_path).specs == ()


class TestReadings:
    """Reading only some places, while the server runs."""

    def settings(self, folder: Path) -> concerns.Settings:
        models = concerns.ModelSettings(
            models=(str(folder / "models"),), cache_dir=str(folder / "cache")
        )
        return concerns.Settings(models=models)

    def test_only_the_places_asked_for_are_read(self, tmp_path: Path) -> None:
        make(tmp_path, "a.onnx")
        make(tmp_path, "shop/3/weights.onnx")
        place = str(tmp_path / "models" / "shop" / "3")

        (only_one,) = catalog.readings(self.settings(tmp_path), [place])

        assert (only_one.place, only_one.id) == (place, "shop/3")
        assert only_one.model is not None
        assert {each.id for each in catalog.readings(self.settings(tmp_path), None)} == {
            "a",
            "shop/3",
        }

    def test_a_place_without_a_package_yields_nothing(self, tmp_path: Path) -> None:
        make(tmp_path, "a.onnx")
        (tmp_path / "models" / "notes").mkdir()
        (tmp_path / "models" / "notes" / "read.me").write_text("hello")

        assert catalog.readings(self.settings(tmp_path), [str(tmp_path / "models" / "notes")]) == ()

    def test_a_broken_file_is_named_with_its_reason(self, tmp_path: Path) -> None:
        make(tmp_path, "a.onnx").write_bytes(b"nonsense")

        (reading,) = catalog.readings(self.settings(tmp_path), None)

        assert (reading.id, reading.model) == ("a", None)
        assert "not an ONNX file" in reading.reason

    def test_the_demo_model_is_read_on_request_and_when_there_is_nothing(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "models").mkdir()
        for places in (None, [""]):
            (demo,) = catalog.readings(self.settings(tmp_path), places)
            assert (demo.place, demo.id) == ("", "demo")
            assert demo.model is not None
            assert demo.model.aliases == ("demo/1",)

    def test_a_file_that_changes_while_it_is_read_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = make(tmp_path, "a.onnx")
        read = package.read

        def slowly(found: package.Found) -> package.Package:
            done = read(found)
            path.write_bytes(b"the next version")
            return done

        monkeypatch.setattr(package, "read", slowly)

        (reading,) = catalog.readings(self.settings(tmp_path), None)

        assert (reading.model, reading.reason) == (None, "was changed while it was read")
        assert not list(tmp_path.glob("cache/*.onnx"))
