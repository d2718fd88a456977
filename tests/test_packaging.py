"""What is shipped: the wheel's content, what it depends on, its version, and the image recipes."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging import requirements

from parallax import version
from tests.support import distributions

ROOT = Path(__file__).parents[1]
PROJECT = distributions.PROJECT
DATA = (".lua", ".onnx", ".jpg", ".html", ".css", ".js", ".toml", ".json", ".svg")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling")
    if not (ROOT / "README.md").exists():
        pytest.skip("there is no README yet, and the wheel's description is made of it")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_has_every_source_and_data_file(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src"
    wanted = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.suffix in (".py", *DATA) and path.is_file()
    }
    assert wanted - set(wheel.namelist()) == set()


def test_wheel_carries_the_licence_and_nothing_beside_the_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"parallax", f"parallax-{version.VERSION}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_changelog_opens_with_the_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == version.VERSION


@pytest.mark.parametrize("extra", [None, "dev"])
def test_nothing_brings_pillow_over_pillow_simd(extra: str | None) -> None:
    lines: list[str] = list(PROJECT["dependencies"])
    if extra:
        lines += PROJECT["optional-dependencies"][extra]
    needed = distributions.closure(lines)
    assert "pillow-simd" in needed
    assert "pillow" not in needed


def test_dependencies_have_both_bounds() -> None:
    for line in PROJECT["dependencies"]:
        operators = {one.operator for one in requirements.Requirement(line).specifier}
        assert operators == {">=", "<"}, line


def test_installed_versions_are_within_bounds() -> None:
    for line in PROJECT["dependencies"]:
        wanted = requirements.Requirement(line)
        if distributions.holds(wanted):
            assert importlib.metadata.version(wanted.name) in wanted.specifier, line


def test_dev_tools_are_pinned() -> None:
    for line in PROJECT["optional-dependencies"]["dev"]:
        (pin,) = requirements.Requirement(line).specifier
        assert pin.operator == "==", line


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the instructions of an image recipe, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    joined = text.replace("\\\n", " ")
    return [
        (word.upper(), " ".join(rest.split()))
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


@pytest.fixture(params=["Dockerfile.cpu", "Dockerfile.gpu"])
def recipe(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    return instructions(request.param)


def values(recipe: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in recipe if found == word]


@pytest.mark.parametrize(
    "setting", ["HOST=0.0.0.0", "PORT=9001", "REDIS_PORT=6380", "NUM_CELERY_WORKERS=12"]
)
def test_image_sets_the_names_of_the_original(recipe: list[tuple[str, str]], setting: str) -> None:
    assert setting in " ".join(values(recipe, "ENV")).split()


def test_image_runs_the_server_as_its_first_process(recipe: list[tuple[str, str]]) -> None:
    assert values(recipe, "ENTRYPOINT") == ['["parallax"]']  # a shell would swallow the signals
    assert values(recipe, "CMD") == ['["serve"]']
    assert values(recipe, "EXPOSE") == ["9001"]


def test_image_runs_as_an_ordinary_user(recipe: list[tuple[str, str]]) -> None:
    (user,) = values(recipe, "USER")
    assert user not in ("root", "0")
    assert recipe.index(("USER", user)) < recipe.index(("ENTRYPOINT", '["parallax"]'))


def test_image_asks_its_own_readiness(recipe: list[tuple[str, str]]) -> None:
    (check,) = values(recipe, "HEALTHCHECK")
    assert "/readiness" in check
    assert "--start-period=" in check


def test_bases_are_pinned() -> None:
    assert {base.split()[0] for base in values(instructions("Dockerfile.cpu"), "FROM")} == {
        "python:3.11-bookworm"
    }
    for base in values(instructions("Dockerfile.gpu"), "FROM"):
        assert re.match(r"nvidia/cuda:13\.\d+\.\d+-cudnn-runtime-ubuntu24\.04", base)
