"""CPU time and memory of real processes."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.bench import process_tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
SECONDS = st.dictionaries(st.integers(1, 20), st.floats(0, 100), max_size=8)


def test_a_child_belongs_to_the_tree_and_is_gone_when_it_has_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert {os.getpid(), child.pid} <= process_tree.descendants(os.getpid())
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and nobody took its code
        assert process_tree.descendants(child.pid) == set()
    assert child.pid not in process_tree.descendants(os.getpid())
    assert process_tree.descendants(child.pid) == set()


def test_cpu_time_and_memory_of_this_process_are_found() -> None:
    here = os.getpid()
    used = process_tree.cpu([here, 2**22 + 1])
    assert used.keys() == {here}
    assert abs(used[here] - sum(os.times()[:2])) < 1.0
    memory = process_tree.pss_mb([here, 2**22 + 1])
    assert memory is not None
    assert memory > 1
    assert process_tree.pss_mb([]) is None


@given(SECONDS, SECONDS)
def test_what_was_used_is_the_difference_by_kind(
    before: dict[int, float], more: dict[int, float]
) -> None:
    after = {pid: before.get(pid, 0.0) + spent for pid, spent in more.items()}
    found = process_tree.used(before, after, dict.fromkeys(range(1, 11), "pre"))
    assert found.get("pre", 0.0) == pytest.approx(sum(more[pid] for pid in more if pid <= 10))
    assert set(found) <= {"pre", process_tree.OTHER}


def test_processes_of_another_machine_are_not_taken_for_ours() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        ours = {os.getpid(): "supervisor", child.pid: "pre"}
        assert process_tree.root_of(ours) == os.getpid()
        assert process_tree.root_of({**ours, 1: "post"}) is None
        assert process_tree.root_of({os.getpid(): "supervisor"}) is None
        child.kill()
