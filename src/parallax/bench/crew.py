"""Processes that work alone, start together and are counted in one common window.

They come and go within a call. Each is told when to begin, on the clock that all processes of a
machine share, once all have said that they are ready; so neither imports nor loading count.
"""

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import Any

from parallax.aio import malloc
from parallax.bench import failures, plain_work, stages_alone

START_TIMEOUT = 300.0
"""Seconds until all have loaded their network and run it once."""
STOP_TIMEOUT = 60.0
"""Seconds that the last batch may take beyond the window."""

_LEAD = 0.1
"""Seconds from the word to the start."""
_POST_ROUNDS = 20

_context = multiprocessing.get_context("spawn")


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function returns in a process of its own.

    Raises:
        BenchError: it raised or its process ended.
    """
    with _started([(_returning, (function, *args))]) as (pipe,):
        return _heard(pipe, time.monotonic() + START_TIMEOUT)


def work(jobs: Sequence[stages_alone.Job], seconds: float) -> stages_alone.Tally:
    """Let a process do each job, all in the same ``seconds``, and return what was done together.

    Raises:
        BenchError: a job failed, its process ended, or it took too long.
    """
    with _started([(_working, (job,)) for job in jobs]) as pipes:
        ready_by = time.monotonic() + START_TIMEOUT
        for pipe in pipes:
            _heard(pipe, ready_by)
        start = time.monotonic() + _LEAD
        for pipe in pipes:
            pipe.send((start, start + seconds))
        done_by = start + seconds + STOP_TIMEOUT
        total = stages_alone.Tally()
        for pipe in pipes:
            total.add(_heard(pipe, done_by))
        return total


@contextlib.contextmanager
def _started(
    targets: Sequence[tuple[Callable[..., None], tuple[Any, ...]]],
) -> Iterator[list["connection.Connection[Any, Any]"]]:
    """Yield our end of a pipe to each process; none of them outlives the block."""
    processes: list[SpawnProcess] = []
    pipes: list[connection.Connection[Any, Any]] = []
    try:
        for target, args in targets:
            ours, theirs = _context.Pipe()
            pipes.append(ours)
            process = _context.Process(target=_child, args=(theirs, target, args), daemon=True)
            processes.append(process)
            process.start()
            theirs.close()
        yield pipes
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            _end(process)


def _end(process: SpawnProcess) -> None:
    if process.pid is None:  # it was never started
        return
    process.kill()  # it has nothing to tidy up
    process.join()
    process.close()


def _heard(pipe: "connection.Connection[Any, Any]", until: float) -> Any:
    try:
        if not pipe.poll(max(0.0, until - time.monotonic())):
            raise failures.BenchError("a process that measures the stages took too long")
        said = pipe.recv()
    except (EOFError, ConnectionError) as problem:
        raise failures.BenchError("a process that measures the stages ended") from problem
    if isinstance(said, failures.BenchError):
        raise said
    return said


def _child(
    pipe: "connection.Connection[Any, Any]",
    target: Callable[..., None],
    args: tuple[Any, ...],
) -> None:
    # Who presses Ctrl-C means the parent, which ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        target(pipe, *args)
    except (EOFError, ConnectionError):
        return  # nobody is interested any more
    except Exception as problem:  # noqa: BLE001 - models are foreign code
        said = str(problem).partition("\n")[0] or type(problem).__name__
        with contextlib.suppress(ConnectionError):
            pipe.send(failures.BenchError(said))


def _returning(
    pipe: "connection.Connection[Any, Any]", function: Callable[..., Any], *args: Any
) -> None:
    pipe.send(function(*args))


def _working(pipe: "connection.Connection[Any, Any]", job: stages_alone.Job) -> None:
    # As the server's processes are.
    malloc.tune()
    plain_work.one_thread()
    run = None if job.part == "pre" else stages_alone.network(job)
    loops = [stages_alone.Loop(job, run) for _ in range(job.threads)]
    for loop in loops:
        loop.pre()  # imports the decoder; and what is not prepared again has to be there
    total = stages_alone.Tally()
    if job.part == "infer":
        total = stages_alone.answering(loops[0], _POST_ROUNDS)
    pipe.send("ready")
    start, end = pipe.recv()
    total.add(stages_alone.together(loops, start, end))
    pipe.send(total)
