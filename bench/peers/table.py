"""What was measured, and the table that is made of it."""

from collections.abc import Sequence

import msgspec


class Phase(msgspec.Struct, frozen=True):
    """One closed loop."""

    clients: int
    images_per_s: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    wrong: int = 0
    """Answers that were not what the first answer to the same picture was."""
    server_cpu_ms: float = 0.0
    """CPU of all processes of the server for an image; so is the client's."""
    client_cpu_ms: float = 0.0
    others: float = 0.0
    """Cores that neither the server nor the client kept busy, but somebody did."""


class Visit(msgspec.Struct, frozen=True):
    """A server's turn in one round."""

    server: str
    cores: int
    ceiling: float
    """Images per second of the work alone, a process per core, measured just before."""
    phases: list[Phase]
    predictions: int = 0
    """In the first answers to all pictures."""
    ready: float = 0.0
    """Seconds from the start to the first answer."""
    processes: int = 0
    pss_mb: float = 0.0
    rss_mb: float = 0.0


def render(visits: Sequence[Visit]) -> str:
    """Return the table in Markdown; figures of the rounds are divided by semicolons."""
    by_server: dict[str, list[Visit]] = {}
    for visit in visits:
        by_server.setdefault(visit.server, []).append(visit)
    loads = sorted({phase.clients for visit in visits for phase in visit.phases})
    head = ["server"]
    for clients in loads:
        head += _load_head(clients)
    head += ["CPU of server; client, ms/image", "PSS; RSS, MB", "processes", "ready, s"]
    head += ["found", "wrong", "cores taken by others"]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row(_cells(name, group, loads)) for name, group in by_server.items()]
    each = "; ".join(f"{visit.ceiling:.1f}" for visit in visits)
    return "\n".join([*lines, "", f"The work alone, before each turn, images/s: {each}."])


def _load_head(clients: int) -> list[str]:
    if clients == 1:
        return ["1 client: p50, ms"]
    return [f"{clients} clients: images/s", "of the ceiling", "overhead, ms of a core"]


def _cells(name: str, group: list[Visit], loads: list[int]) -> list[str]:
    cells = [name]
    for clients in loads:
        found = [(visit, p) for visit in group for p in visit.phases if p.clients == clients]
        if clients == 1:
            cells.append("; ".join(f"{phase.p50_ms:.1f}" for _, phase in found))
            continue
        cells.append("; ".join(f"{phase.images_per_s:.1f}" for _, phase in found))
        cells.append("; ".join(f"{phase.images_per_s / v.ceiling:.2f}" for v, phase in found))
        cells.append("; ".join(f"{_overhead(v, phase):.2f}" for v, phase in found))
    last = [visit.phases[-1] for visit in group]
    used = [_mean([p.server_cpu_ms for p in last]), _mean([p.client_cpu_ms for p in last])]
    cells.append("; ".join(f"{value:.2f}" for value in used))
    memory = [_mean([visit.pss_mb for visit in group]), _mean([visit.rss_mb for visit in group])]
    cells.append("; ".join(f"{value:.0f}" for value in memory))
    cells.append(str(group[-1].processes))
    cells.append(f"{_mean([visit.ready for visit in group]):.1f}")
    cells.append(str(group[-1].predictions))
    cells.append(str(sum(phase.wrong for visit in group for phase in visit.phases)))
    cells.append(f"{max(phase.others for visit in group for phase in visit.phases):.2f}")
    return cells


def _overhead(visit: Visit, phase: Phase) -> float:
    """Return what an image takes of a core beyond the work itself, in ms."""
    return visit.cores * (1 / phase.images_per_s - 1 / visit.ceiling) * 1e3


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
