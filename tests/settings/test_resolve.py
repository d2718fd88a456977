"""Defaults that depend on the machine."""

from pathlib import Path

import pytest

from parallax.settings import concerns, fields, machine, resolve

HERE = machine.Machine(cpus=6, hostname="box", cache_home=Path("/c"), models=Path("models"))


def test_gaps_are_filled() -> None:
    settings = resolve.resolve(concerns.Settings(), HERE)
    assert settings.workers.cpu_workers == 6
    assert settings.broker.node == "box"
    assert settings.models.cache_dir == "/c/parallax"
    assert settings.models.models == ("models",)


def test_written_values_stay() -> None:
    written = fields.build({
        "workers.cpu_workers": 2, "broker.node": "n",
        "models.cache_dir": "/x", "models.models": ("m",),
    })  # fmt: skip
    assert resolve.resolve(written, HERE) == written


def test_without_a_models_folder_none_is_named() -> None:
    bare = machine.Machine(cpus=1, hostname="h", cache_home=Path("/c"), models=None)
    assert resolve.resolve(concerns.Settings(), bare).models.models == ()


@pytest.mark.parametrize(
    ("hostname", "name"),
    [("box.local", "box.local"), ("a b:c", "a-b-c"), ("", "localhost"), ("ü", "localhost")],
)
def test_node_name_may_stand_in_a_key(hostname: str, name: str) -> None:
    assert resolve.node_name(hostname) == name
