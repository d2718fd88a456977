"""Quotas of control groups, read from texts as the kernel writes them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from parallax.settings import machine


def quota(files: Mapping[str, str]) -> float | None:
    return machine.cpu_quota(lambda path: files.get(str(path)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200000 100000\n", 2.0), ("50000 100000", 0.5), ("max 100000", None),
        ("", None), ("100000", None), ("0 0", None), ("x y", None),
    ],
)  # fmt: skip
def test_quota_v2(text: str, expected: float | None) -> None:
    assert machine.quota_v2(text) == expected


@pytest.mark.parametrize(
    ("quota_us", "period_us", "expected"),
    [("150000\n", "100000\n", 1.5), ("-1", "100000", None), ("", "", None)],
)
def test_quota_v1(quota_us: str, period_us: str, expected: float | None) -> None:
    assert machine.quota_v1(quota_us, period_us) == expected


def test_memberships_of_both_versions() -> None:
    text = "12:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n0::/user.slice\n"
    found = machine.memberships(text)
    assert (found["cpu"], found["cpuacct"], found[""]) == (
        "/docker/abc",
        "/docker/abc",
        "/user.slice",
    )


def test_no_control_groups_is_no_limit() -> None:
    assert quota({}) is None


def test_version_2_takes_the_tightest_of_group_and_parents() -> None:
    assert quota({
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/b/cpu.max": "400000 100000",
        "/sys/fs/cgroup/a/cpu.max": "300000 100000",
    }) == 3.0  # fmt: skip


def test_version_2_in_a_container_that_sees_the_path_of_the_host() -> None:
    files = {"/proc/self/cgroup": "0::/docker/x\n", "/sys/fs/cgroup/cpu.max": "200000 100000"}
    assert quota(files) == 2.0


def test_version_1() -> None:
    assert quota({
        "/proc/self/cgroup": "4:cpu,cpuacct:/docker/x\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }) == 2.5  # fmt: skip


@pytest.mark.parametrize(
    ("affinity", "limit", "cpus"), [(8, None, 8), (8, 2.5, 2), (2, 6.0, 2), (4, 0.3, 1)]
)
def test_usable_cpus(affinity: int, limit: float | None, cpus: int) -> None:
    assert machine.usable_cpus(affinity, limit) == cpus


def test_cache_home(tmp_path: Path) -> None:
    assert machine.cache_home({"XDG_CACHE_HOME": "/c"}) == Path("/c")
    assert machine.cache_home({"XDG_CACHE_HOME": "c", "HOME": str(tmp_path)}) == tmp_path / ".cache"


def test_cache_home_without_a_home_is_temporary() -> None:
    assert machine.cache_home({"HOME": "/nonexistent"}).is_dir()


def test_inspect_sees_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert machine.inspect({}).models is None
    (tmp_path / "models").mkdir()
    here = machine.inspect({})
    assert here.models == Path("models")
    assert here.cpus >= 1
