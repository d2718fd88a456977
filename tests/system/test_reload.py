"""Packages that come, change and go while the server answers."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support import load, onnx_endless, onnx_models, onnx_slow, wait
from tests.support import server as servers

pytestmark = pytest.mark.system

FIRST, SECOND = ("ant", "bee"), ("cat", "dog")
"""Labels of two versions: an answer tells which one it is from."""

PATIENCE = 30.0


class Site:
    """A server and the folder of its models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: servers.Server

    def put(self, name: str, labels: tuple[str, ...] = FIRST, seed: int = 1) -> None:
        """Write or overwrite a package as copying tools do: file by file, in place."""
        target = self.folder / name
        target.mkdir(exist_ok=True)
        (target / "weights.onnx").write_bytes(content(labels, seed))
        (target / "model.toml").write_text(description(labels))

    def row(self, name: str) -> dict[str, Any]:
        """Return the line of ``/status`` about a package; empty if there is none."""
        rows = self.server.status()["models"]
        return next((row for row in rows if Path(row["package"]).is_relative_to(name)), {})

    def wait_for(self, name: str, **facts: str) -> dict[str, Any]:
        """Wait until the line about a package says this; a value may be the beginning of it."""

        def as_wanted() -> bool:
            row = self.row(name)
            return bool(row) and all(row[key].startswith(value) for key, value in facts.items())

        wait.wait_until(as_wanted, lambda: f"{name} is {facts}: {self.row(name)}", PATIENCE)
        return self.row(name)

    def labels(self, name: str) -> set[str]:
        """Return the labels that a model answers with; its own error is a failure."""
        response = load.detect(self.server.url, picture(), name)
        assert response.status_code == httpx.codes.OK, response.text
        return found(response.json())

    def wait_labels(self, name: str, labels: tuple[str, ...]) -> None:
        """Wait until a model answers with these labels."""
        wait.wait_until(lambda: self.labels(name) <= set(labels), f"{name} has {labels}", PATIENCE)


def content(labels: tuple[str, ...], seed: int = 1) -> bytes:
    """Return a detector as a file."""
    recipe = onnx_models.Recipe(classes=len(labels), seed=seed)
    return bytes(onnx_models.build(recipe).SerializeToString())


def description(labels: tuple[str, ...]) -> str:
    """Return the model.toml of a detector."""
    return f'family = "yolov8"\nlabels = {list(labels)}\n'


def picture() -> bytes:
    """Return a picture in which the random detectors find something."""
    file = io.BytesIO()
    Image.fromarray(onnx_models.picture(1)).save(file, "PNG")
    return file.getvalue()


def found(answer: dict[str, Any]) -> set[str]:
    """Return the labels in an answer, which has some."""
    labels = {each["class"] for each in answer["predictions"]}
    assert labels
    return labels


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with two api processes, one for all tests of the module."""
    made = Site(tmp_path_factory.mktemp("models"))
    made.put("steady", seed=7)
    options = ("--models", str(made.folder), "--cpu-workers", "1", "--api-workers", "2")
    with servers.serve(*options) as server:
        made.server = server
        yield made


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The server with only its first model, and afterwards again."""
    yield running
    for folder in running.folder.iterdir():
        if folder.name != "steady":
            shutil.rmtree(folder)
    wait.wait_until(
        lambda: [row["id"] for row in running.server.status()["models"]] == ["steady"],
        lambda: str(running.server.status()["models"]),
        PATIENCE,
    )
    running.server.wait_idle()


def test_a_new_package_is_served_and_disturbs_nobody(site: Site) -> None:
    with load.Load(site.server.url, picture(), "steady", 4) as asking:
        site.put("new", SECOND)
        row = site.wait_for("new", state="loaded")
        asking.answers(20)

    assert (row["id"], row["labels"], row["reason"]) == ("new", 2, "")
    assert set(asking.ledger.statuses) == {httpx.codes.OK}
    assert not asking.ledger.broken
    assert site.labels("new") <= set(SECOND)
    metrics = site.server.get("/metrics").text
    assert 'parallax_model_loads_total{model="new",outcome="ok"} 1.0' in metrics
    assert 'parallax_models{state="loaded"} 2.0' in metrics


def test_a_swap_under_load_answers_all_with_one_version_or_the_other(site: Site) -> None:
    site.put("m", FIRST)
    old = site.wait_for("m", state="loaded")["version"]

    with load.Load(site.server.url, picture(), "m", 6) as asking:
        asking.answers(30)
        site.put("m", SECOND, seed=2)
        site.wait_labels("m", SECOND)
        asking.answers(30)

    ledger = asking.ledger
    assert set(ledger.statuses) == {httpx.codes.OK}
    assert not ledger.broken
    answers = [found(answer) for answer in ledger.answers]
    assert all(labels <= set(FIRST) or labels <= set(SECOND) for labels in answers)
    assert {labels <= set(SECOND) for labels in answers} == {True, False}
    assert site.row("m")["version"] != old


def test_a_broken_version_changes_nothing_but_what_is_said(site: Site) -> None:
    site.put("m", FIRST)
    old = site.wait_for("m", state="loaded")["version"]

    (site.folder / "m" / "weights.onnx").write_bytes(b"not a network")
    row = site.wait_for("m", reason="not an ONNX file")

    assert (row["state"], row["version"]) == ("loaded", old)
    assert site.labels("m") <= set(FIRST)
    assert row["reason"] in site.server.log
    assert f"; version {old} stays" in site.server.log
    stays = f"m: the files there now are refused, version {old} is served: not an ONNX file"
    assert stays in servers.run("status", "--url", site.server.url).stdout

    site.put("m", SECOND, seed=2)
    site.wait_labels("m", SECOND)
    assert site.row("m")["reason"] == ""


def test_a_removed_package_is_unknown_and_leaves_nothing(site: Site) -> None:
    site.put("m", FIRST)
    site.wait_for("m", state="loaded")
    assert site.labels("m") <= set(FIRST)

    shutil.rmtree(site.folder / "m")
    wait.wait_until(lambda: not site.row("m"), "it is not listed any more", PATIENCE)

    response = load.detect(site.server.url, picture(), "m")
    assert response.status_code == httpx.codes.NOT_FOUND
    assert not any(name.endswith(":m") for name in site.server.status()["streams"])


def test_half_a_file_is_refused_and_served_once_it_is_whole(site: Site) -> None:
    whole = content(FIRST)
    path = site.folder / "m" / "weights.onnx"
    path.parent.mkdir()
    (path.parent / "model.toml").write_text(description(FIRST))
    path.write_bytes(whole[: len(whole) // 2])
    row = site.wait_for("m", state="refused")
    assert row["reason"]
    assert load.detect(site.server.url, picture(), "m").status_code >= httpx.codes.BAD_REQUEST

    with path.open("ab") as file:
        file.write(whole[len(whole) // 2 :])

    site.wait_for("m", state="loaded")
    assert site.labels("m") <= set(FIRST)


def test_an_inference_loop_that_dies_during_a_swap_finishes_it(site: Site) -> None:
    site.put("m", FIRST)
    site.wait_for("m", state="loaded")

    with load.Load(site.server.url, picture(), "steady", 2) as asking:
        onnx_slow.write(site.folder / "m" / "slow", 1.0)
        (site.folder / "m" / "model.toml").write_text(description(("a", "b")))
        os.replace(site.folder / "m" / "slow", site.folder / "m" / "weights.onnx")
        site.wait_for("m", state="loaded", reason="a new version is being loaded")
        old = site.server.kill("infer")
        site.server.wait_restarted("infer", old)
        wait.wait_until(lambda: site.row("m")["input"] == [32, 32], "it is swapped", PATIENCE)
        asking.answers(10)

    assert site.row("m")["reason"] == ""
    assert set(asking.ledger.statuses) == {httpx.codes.OK}
    assert load.detect(site.server.url, picture(), "m").status_code == httpx.codes.OK


def test_a_version_that_never_gets_warm_is_given_up_and_the_next_package_is_served(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    site.put("m", FIRST)
    options = ("--models", str(tmp_path), "--load-timeout", "3", "--cpu-workers", "1")
    with servers.serve(*options) as site.server:
        old = site.row("m")["version"]
        with load.Load(site.server.url, picture(), "m", 2) as asking:
            onnx_endless.write(tmp_path / "m" / "endless")
            os.replace(tmp_path / "m" / "endless", tmp_path / "m" / "weights.onnx")
            site.wait_for("m", reason="a new version is being loaded")
            site.put("next", SECOND)
            site.wait_for("next", state="loaded")
            asking.answers(10)

        row = site.row("m")
        assert (row["state"], row["version"]) == ("loaded", old)
        assert row["reason"] == "loading took over 3 s"
        assert set(asking.ledger.statuses) == {httpx.codes.OK}
        assert site.labels("m") <= set(FIRST)
        assert site.server.log.count("is killed: loading model m, version ") == 2
        site.server.wait_idle()


def test_unloading_and_loading_is_seen_by_all_api_processes_at_once(site: Site) -> None:
    url = site.server.url
    site.put("m", FIRST)
    site.wait_for("m", state="loaded")

    removed = httpx.post(url + "/model/remove", json={"model_id": "m"}, timeout=30)
    assert removed.status_code == httpx.codes.OK
    # Each call is a connection of its own, which either process may take.
    assert all(listed(url) == {"steady"} for _ in range(20))
    assert site.row("m")["state"] == "unloaded"
    assert "infer:" + "m" not in " ".join(site.server.status()["streams"])

    added = httpx.post(url + "/model/add", json={"model_id": "m"}, timeout=30)
    assert added.status_code == httpx.codes.OK
    assert all(listed(url) == {"steady", "m"} for _ in range(20))
    assert site.labels("m") <= set(FIRST)


def test_unloading_all_frees_all_and_nobody_else_is_disturbed(site: Site) -> None:
    url = site.server.url
    cleared = httpx.post(url + "/model/clear", timeout=30)
    assert cleared.status_code == httpx.codes.OK
    assert all(listed(url) == set() for _ in range(10))
    assert site.server.get("/readiness").status_code == httpx.codes.OK

    added = httpx.post(url + "/model/add", json={"model_id": "steady"}, timeout=30)
    assert added.status_code == httpx.codes.OK
    assert all(listed(url) == {"steady"} for _ in range(10))
    assert site.labels("steady")


def listed(url: str) -> set[str]:
    """Return the ids of the loaded models, as one api process sees them."""
    models = httpx.get(url + "/model/registry", timeout=30).json()["models"]
    return {each["model_id"] for each in models}


def test_a_server_without_models_takes_the_first_and_goes_back_to_the_demo(tmp_path: Path) -> None:
    with servers.serve("--models", str(tmp_path), "--cpu-workers", "1") as server:
        site = Site(tmp_path)
        site.server = server
        assert [row["id"] for row in server.status()["models"]] == ["demo"]

        site.put("m", FIRST)
        site.wait_for("m", state="loaded")
        wait.wait_until(
            lambda: load.detect(server.url, picture(), "demo").status_code == 404, "it is alone"
        )

        shutil.rmtree(tmp_path / "m")
        wait.wait_until(
            lambda: load.detect(server.url, picture(), "demo").status_code == 200, "demo", PATIENCE
        )
