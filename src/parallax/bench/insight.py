"""What the server itself tells of a phase, if it is a parallax: CPU, memory, batches, stages."""

from parallax.bench import inquiry, process_tree, scrape


class Insight:
    """Looks at a server's processes, if they are on this machine, and at its metrics."""

    def __init__(self, server: inquiry.Server, model: inquiry.Model) -> None:
        self._server = server
        self._names = model.names
        self._is_parallax = server.is_parallax()
        self._root = process_tree.root_of(self._roles())

    def cpu(self) -> process_tree.Seconds:
        """Return the CPU seconds of each of its processes."""
        return process_tree.cpu(self._pids())

    def counters(self) -> scrape.Counters:
        """Return what it has counted so far."""
        text = self._server.get("/metrics") if self._is_parallax else None
        return scrape.read((text or b"").decode(errors="replace"), self._names)

    def used(self, before: process_tree.Seconds, after: process_tree.Seconds) -> dict[str, float]:
        """Return the CPU seconds between two moments by kind of process."""
        return process_tree.used(before, after, self._roles()) if after else {}

    def pss_mb(self) -> float | None:
        """Return the memory of all of its processes."""
        return process_tree.pss_mb(self._pids())

    def _roles(self) -> dict[int, str]:
        return self._server.roles() if self._is_parallax else {}

    def _pids(self) -> set[int]:
        return set() if self._root is None else process_tree.descendants(self._root)
