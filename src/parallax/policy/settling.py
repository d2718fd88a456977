"""When a change in a folder of models is over, so that no half-copied file is read.

Pure: what was seen and when are arguments. A place counts as settled when it looked the same for
``quiet`` seconds; the same holds for its absence, because a replacement is often a removal first.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Changes:
    """What is settled now and was not before: places by path, in the order in which they were
    seen."""

    changed: tuple[str, ...] = ()
    """New or different."""
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone)


@dataclass(frozen=True, slots=True)
class _Candidate:
    signature: str | None
    since: float


class Settling:
    """Compares looks at the same folders."""

    def __init__(self, taken: Mapping[str, str], quiet: float) -> None:
        self._taken: dict[str, str] = dict(taken)
        """Signatures of what was reported as settled."""
        self._quiet = quiet
        self._candidates: dict[str, _Candidate] = {}

    @property
    def restless(self) -> bool:
        """Whether something differs from what was reported, but may still change."""
        return bool(self._candidates)

    def look(self, seen: Mapping[str, str], now: float) -> Changes:
        """Take a look into account: the signature of each place, at ``now`` seconds."""
        changed = [path for path, signature in seen.items() if self._over(path, signature, now)]
        gone = [path for path in self._taken if path not in seen and self._over(path, None, now)]
        for path in gone:
            del self._taken[path]
        self._taken |= {path: seen[path] for path in changed}
        self._candidates = {
            path: candidate
            for path, candidate in self._candidates.items()
            if path in seen or path in self._taken
        }
        return Changes(tuple(changed), tuple(gone))

    def _over(self, path: str, signature: str | None, now: float) -> bool:
        """Say whether a difference has lasted long enough; if so, it is a candidate no more."""
        if self._taken.get(path) == signature:
            self._candidates.pop(path, None)
            return False
        candidate = self._candidates.get(path)
        if candidate is None or candidate.signature != signature:
            self._candidates[path] = _Candidate(signature, now)
            return False
        if now - candidate.since < self._quiet:
            return False
        del self._candidates[path]
        return True
