"""Process 1 of a container: reaps, forwards, passes the exit code on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from parallax.supervisor import pid1

SOURCES = Path(__file__).parents[2] / "src"
UNSHARE = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
REAPER = """
import os, sys
from parallax.supervisor import pid1
{before}
child = os.fork()
if child == 0:
    {child}
print(pid1._look_after(child))
"""


def output(code: str, *before: str) -> tuple[str, int]:
    """Run code in a process of its own; return what it printed and its exit status."""
    done = subprocess.run(
        [*before, sys.executable, "-c", code],
        cwd=SOURCES,
        stdout=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout, done.returncode


def _may_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_unshare = pytest.mark.skipif(not _may_unshare(), reason="needs a pid namespace of its own")


def test_elsewhere_the_work_is_done_in_this_process() -> None:
    assert pid1.guard(os.getpid) == os.getpid()


@pytest.mark.parametrize(
    ("child", "code"),
    [
        ("os._exit(0)", 0),
        ("os._exit(65)", 65),
        ("os.kill(os.getpid(), 9)", 137),
        ("os.kill(os.getpid(), 15)", 143),
    ],
)
def test_the_exit_code_of_the_child_is_passed_on(child: str, code: int) -> None:
    assert output(REAPER.format(before="", child=child)) == (f"{code}\n", 0)


def test_other_children_are_reaped_on_the_way() -> None:
    strangers = "strangers = [os.fork() or os._exit(3) for _ in range(5)]"
    # The watched child ends last: it waits until its siblings are gone from the process table.
    child = """
    for pid in strangers:
        while os.path.exists(f"/proc/{pid}"): pass
    os._exit(7)"""

    assert output(REAPER.format(before=strangers, child=child)) == ("7\n", 0)


def test_a_child_that_somebody_else_reaped_is_an_error_and_no_hang() -> None:
    code = "from parallax.supervisor import pid1\nprint(pid1._look_after(1 << 22))"

    assert output(code) == ("1\n", 0)


@needs_unshare
def test_as_process_1_the_work_runs_in_a_child_whose_code_is_passed_on() -> None:
    code = (
        "import os, sys; from parallax.supervisor import pid1\n"
        "def work(): print(os.getpid(), os.getppid(), flush=True); return 42\n"
        "sys.exit(pid1.guard(work))\n"
    )

    text, status = output(code, *UNSHARE)

    assert (text, status) == ("2 1\n", 42)


@needs_unshare
def test_as_process_1_orphans_are_reaped() -> None:
    code = (
        "import os, sys; from parallax.supervisor import pid1\n"
        "def zombies():\n"
        "    found = []\n"
        "    for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "        try: found += [pid] * (open(f'/proc/{pid}/stat').read().split()[2] == 'Z')\n"
        "        except OSError: pass\n"
        "    return found\n"
        "def work():\n"
        "    if os.fork() == 0:\n"
        "        for _ in range(5):\n"
        "            if os.fork() == 0:\n"
        "                while os.getppid() != 1: pass\n"
        "                os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    while len([p for p in os.listdir('/proc') if p.isdigit()]) > 2: pass\n"
        "    print(len(zombies()))\n"
        "    return 0\n"
        "sys.exit(pid1.guard(work))\n"
    )

    assert output(code, *UNSHARE) == ("0\n", 0)


@needs_unshare
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_as_process_1_signals_are_forwarded(number: signal.Signals) -> None:
    code = (
        "import os, signal, sys; from parallax.supervisor import pid1\n"
        "def work():\n"
        f"    signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])\n"
        f"    os.kill(1, {int(number)})\n"
        f"    got = signal.sigwait([{int(number)}])\n"
        "    print(int(got), flush=True)\n"
        "    return 0\n"
        "sys.exit(pid1.guard(work))\n"
    )

    text, status = output(code, *UNSHARE)

    assert (text, status) == (f"{int(number)}\n", 0)
