"""How the processes grow that live through a whole run."""

from dataclasses import dataclass, field

from parallax.chaos import leaks, processes, result
from parallax.chaos.site import Site


@dataclass(slots=True)
class Growth:
    """Looks at memory and files in calm moments."""

    _memory: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    _files: dict[int, list[int]] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    def sample(self, site: Site, now: float) -> None:
        """Look at all processes that the server names; those it has no more are forgotten."""
        rows = {row["pid"]: row for row in site.status().get("processes", []) if row["pid"]}
        if not rows:  # no answer
            return
        first = not self._names
        for pid in [pid for pid in self._memory if pid not in rows]:
            del self._memory[pid]
        for pid, row in rows.items():
            if first:
                self._memory[pid] = []
                self._files[pid] = []
                self._names[pid] = f"{row['role']}:{row['slot']}"
            if pid in self._memory:
                self._memory[pid].append((now, processes.memory_mb(pid)))
                self._files[pid].append(processes.files(pid))

    def swollen(self) -> list[str]:
        """Name those that grew too far."""
        return leaks.swollen({self._names[pid]: row for pid, row in self._memory.items()})

    def found(self) -> list[result.Grown]:
        """Return a row for each that was there all the time."""
        return [
            result.Grown(
                process=self._names[pid],
                files=self._files[pid][-1],
                more_files=self._files[pid][-1] - self._files[pid][0],
                memory_mb=samples[-1][1],
                mb_per_minute=60 * leaks.slope(samples),
            )
            for pid, samples in self._memory.items()
        ]
