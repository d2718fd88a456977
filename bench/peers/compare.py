"""The same detection work behind several servers, measured in turns with the same load.

    python -m bench.peers.compare --environments ENVS [--scenario tiny|yolov8n]
        [--servers fastapi,parallax] [--rounds 2] [--seconds 10] [--clients 1,8,16]

In each round each server has its turn. First what the cores can do without any server is measured,
because cores of a shared machine are faster one minute and slower the next; then the server is
started, warmed up, and put under a closed loop of each number of clients. Every answer is checked.
Results are appended to a file, and the table is made of all of that file, so that a long run can be
split into short ones.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import networks
from bench.peers import load, servers, setup, table
from parallax.bench import photographs, process_tree

_WARM_UP = 2.0
_CEILING_TIMEOUT = 300.0
_DISTURBED = 0.1
"""Cores that others keep busy, beyond which a phase is measured once more."""
_ENOUGH = 5
"""Wrong answers after which a server is given up."""


@dataclass(frozen=True)
class Scenario:
    """What is asked of every server."""

    network: str
    sizes: tuple[photographs.Size, ...]
    """Of the pictures, in the order in which they are sent."""


SCENARIOS = {
    "tiny": Scenario("tiny", (photographs.VGA,) * 8),
    "yolov8n": Scenario("yolov8n", photographs.MIX),
}


@dataclass(frozen=True)
class Setting:
    """One scenario, ready to be measured."""

    place: servers.Place
    pictures: list[bytes]
    folder: Path
    """Of the pictures."""
    seconds: float
    clients: list[int]


def prepared(work: Path, scenario: Scenario, options: argparse.Namespace) -> Setting:
    """Write network and pictures, unless an earlier run has."""
    home = work / scenario.network
    models, folder = home / "models", home / "pictures"
    if not (models / scenario.network).exists():
        networks.write(scenario.network, models)
    if not folder.exists():
        folder.mkdir()
        for index, picture in enumerate(photographs.encoded(sizes=scenario.sizes)):
            (folder / f"{index:02}.jpg").write_bytes(picture)
    cores = len(os.sched_getaffinity(0))
    cache = home / "cache"
    place = servers.Place(options.environments, models, scenario.network, cores, cache)
    pictures = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    clients = [int(count) for count in options.clients.split(",")]
    return Setting(place, pictures, folder, options.seconds, clients)


def ceiling(setting: Setting) -> float:
    """Return images per second of the common work alone, a process per core."""
    command: list[str | Path] = [
        *(setup.python(setting.place.environments, "fastapi"), "-m", "bench.peers.ceiling"),
        *("--model", setting.place.network, "--pictures", setting.folder),
        *("--workers", str(setting.place.cores), "--seconds", str(setting.seconds / 2)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said, _ = process.communicate(timeout=_CEILING_TIMEOUT)
        finally:
            servers.stop(process)
    if process.returncode:
        raise load.LoadError(f"measuring the ceiling ended with {process.returncode}")
    return float(said.split()[-1])


def visit(name: str, setting: Setting) -> table.Visit:
    """Measure the ceiling, start a server, measure each phase, and stop it.

    Raises:
        LoadError: it does not start, or answers wrongly.
    """
    alone = ceiling(setting)
    with servers.running(servers.SERVERS[name], setting.place, setting.pictures[0]) as server:
        requests = [load.request(server.port, server.path, picture) for picture in setting.pictures]
        expected = load.first_answers(server.port, requests)
        load.Loop(requests, expected).run(server.port, max(setting.clients), _WARM_UP)
        phases = []
        for clients in setting.clients:
            tries = [_loaded(server, requests, expected, clients, setting.seconds)]
            if tries[0].others > _DISTURBED:
                tries.append(_loaded(server, requests, expected, clients, setting.seconds))
            phases.append(min(tries, key=lambda phase: phase.others))
        pids = process_tree.descendants(server.pid)
        return table.Visit(
            name,
            setting.place.cores,
            alone,
            phases,
            predictions=sum(expected),
            ready=server.ready,
            processes=len(pids),
            pss_mb=process_tree.pss_mb(pids) or 0.0,
            rss_mb=sum(_rss_mb(pid) for pid in pids),
        )


def _loaded(
    server: servers.Running,
    requests: list[bytes],
    expected: list[int],
    clients: int,
    seconds: float,
) -> table.Phase:
    before, busy = _server_cpu(server.pid), _machine_cpu()
    found = load.Loop(requests, expected).run(server.port, clients, seconds)
    used = _server_cpu(server.pid) - before
    others = max(0.0, _machine_cpu() - busy - used - found.client_cpu)
    return _phase(clients, found, (used, others), seconds)


def _phase(
    clients: int, found: load.Found, cpu: tuple[float, float], seconds: float
) -> table.Phase:
    """Return the figures; ``cpu`` is what the server used, and what nobody here did, seconds."""
    if found.wrong > _ENOUGH or not found.seconds:
        raise load.LoadError(f"{found.wrong} wrong answers, {len(found.seconds)} right ones")
    answers = len(found.seconds)
    return table.Phase(
        clients,
        answers / seconds,
        p50_ms=statistics.median(found.seconds) * 1e3,
        p99_ms=sorted(found.seconds)[int(0.99 * (answers - 1))] * 1e3,
        wrong=found.wrong,
        server_cpu_ms=cpu[0] / answers * 1e3,
        client_cpu_ms=found.client_cpu / answers * 1e3,
        others=cpu[1] / seconds,
    )


def _server_cpu(pid: int) -> float:
    return sum(process_tree.cpu(process_tree.descendants(pid)).values())


def _machine_cpu() -> float:
    """Return the CPU seconds of all cores that were not idle, with those that other guests of the
    host took, but without interrupts, which are the network's."""
    ticks = [int(number) for number in Path("/proc/stat").read_text().split(None, 9)[1:9]]
    user, nice, system, _, _, _, _, steal = ticks
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(setting: Setting, names: list[str], rounds: int, results: Path) -> bool:
    """Measure in turns; say whether all went well."""
    fine = True
    for _ in range(rounds):
        for name in names:
            print(f"{setting.place.model}: {name} ...", file=sys.stderr, flush=True)
            try:
                found = visit(name, setting)
            except (load.LoadError, OSError, subprocess.SubprocessError) as problem:
                print(f"{name}: {problem}", file=sys.stderr)
                fine = False
                continue
            with results.open("ab") as file:
                file.write(msgspec.json.encode(found) + b"\n")
    return fine


def main() -> int:
    """Measure and print the table."""
    # Whatever ends this ends the server too: an exception passes through its context.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, required=True, help="from bench.peers.setup")
    parser.add_argument("--work", type=Path, default=Path("/tmp/parallax-peers"))
    parser.add_argument("--scenario", choices=SCENARIOS, default="yolov8n")
    parser.add_argument("--servers", default=",".join(servers.SERVERS))
    parser.add_argument("--clients", default="1,8,16")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=2, help="0: only print the table")
    parser.add_argument("--results", type=Path, help="default: WORK/SCENARIO/results.jsonl")
    options = parser.parse_args()
    options.environments = options.environments.absolute()
    names = options.servers.split(",")
    unknown = set(names) - set(servers.SERVERS)
    if unknown:
        parser.error(f"--servers: {', '.join(sorted(unknown))} unknown")
    setting = prepared(options.work.absolute(), SCENARIOS[options.scenario], options)
    results = options.results or options.work / options.scenario / "results.jsonl"
    fine = measure(setting, names, options.rounds, results)
    if results.exists():
        lines = results.read_bytes().splitlines()
        print(table.render([msgspec.json.decode(line, type=table.Visit) for line in lines]))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
