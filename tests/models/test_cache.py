"""A cached graph is whole and the right one, or it is not there."""

from pathlib import Path

import pytest

from parallax.models import cache


def test_what_was_stored_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    path = cache.store(folder, "key", b"graph")
    assert cache.find(folder, "key") == path
    assert path.read_bytes() == b"graph"
    assert sorted(p.name for p in folder.iterdir()) == ["key.onnx", "key.sha256"]


def test_another_key_is_not_found(tmp_path: Path) -> None:
    cache.store(tmp_path, "key", b"graph")
    assert cache.find(tmp_path, "other") is None


@pytest.mark.parametrize("content", [b"", b"grap", b"grapH"])
def test_a_damaged_graph_is_not_found(tmp_path: Path, content: bytes) -> None:
    cache.store(tmp_path, "key", b"graph").write_bytes(content)
    assert cache.find(tmp_path, "key") is None


@pytest.mark.parametrize("name", ["key.onnx", "key.sha256"])
def test_half_a_pair_is_not_found(tmp_path: Path, name: str) -> None:
    cache.store(tmp_path, "key", b"graph")
    (tmp_path / name).unlink()
    assert cache.find(tmp_path, "key") is None


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path) -> None:
    (tmp_path / "key.onnx").mkdir()
    with pytest.raises(OSError, match=r"key\.onnx"):
        cache.store(tmp_path, "key", b"graph")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["key.onnx", "key.sha256"]
