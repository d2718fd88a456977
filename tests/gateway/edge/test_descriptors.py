"""Limits of the system on open files."""

import resource
from collections.abc import Iterator

import pytest

from parallax.gateway.edge import descriptors


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """The limits of this process, restored afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised(limits: tuple[int, int]) -> None:
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    assert descriptors.limit(500, 64) == 500
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard


def test_where_the_system_allows_less_that_is_the_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))

    assert descriptors.limit(4096, 64) == 1024 - 64 - descriptors.RESERVED
    assert "--max-connections" in caplog.text


def test_without_a_limit_all_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: endless)

    assert descriptors.limit(100_000, 64) == 100_000
