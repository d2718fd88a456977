"""Names of devices and the choice among them."""

from pathlib import Path

import pytest

from parallax.contract import errors
from parallax.engine import device as devices

CPU, CUDA0, CUDA3 = devices.Device("cpu"), devices.Device("cuda", 0), devices.Device("cuda", 3)


@pytest.mark.parametrize(
    ("text", "device", "name"),
    [("cpu", CPU, "cpu"), ("cuda", CUDA0, "cuda:0"), ("cuda:3", CUDA3, "cuda:3")],
)
def test_a_name_is_read_and_written(text: str, device: devices.Device, name: str) -> None:
    assert devices.parse(text) == device
    assert str(device) == name
    assert devices.parse(name) == device


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "cuda:1 "])
def test_another_name_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(errors.SettingsError, match="use cpu or cuda:N"):
        devices.parse(text)


def test_a_device_named_twice_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="twice"):
        devices.choose(("cuda", "cuda:0"))


def test_the_named_devices_are_taken_in_order(tmp_path: Path) -> None:
    assert devices.choose(("cuda:3", "cpu"), tmp_path) == (CUDA3, CPU)


def test_without_names_the_first_gpu_is_taken_if_there_is_one(tmp_path: Path) -> None:
    assert devices.choose((), tmp_path) == (CPU,)

    (tmp_path / "nvidia0").touch()

    assert devices.choose((), tmp_path) == (CUDA0,)


def test_only_an_accelerator_gains_from_batches() -> None:
    assert CUDA0.batches
    assert not CPU.batches
