"""Which inference loop loads which version since when, and which versions are given up.

Pure. Loading a model is foreign code: it may take its process down, or never end. A loop says what
it begins to load; until it says what comes next, its death is held against that version, and so is
time. A version is given up after ``LIVES`` deaths, because the first may have had another cause.
"""

from dataclasses import dataclass, field

LIVES = 2
"""Inference loops that one version may take down while it is loaded."""

DIES = "the inference loop dies while it loads this version"

Version = tuple[str, str]
"""Id of a model, and its version."""


@dataclass(slots=True)
class _Load:
    version: Version
    since: float
    late: bool = False


@dataclass(slots=True)
class Trials:
    """The loads of all loops of a node."""

    limit: float
    """Seconds that loading and warming one version may take."""
    _loads: dict[str, _Load] = field(default_factory=dict)
    _deaths: dict[Version, list[str]] = field(default_factory=dict)

    def begin(self, loop: str, version: Version, now: float) -> None:
        """A loop loads this version from now on, and nothing before it any more."""
        self.end(loop)
        self._loads[loop] = _Load(version, now)

    def end(self, loop: str) -> None:
        """A loop is through with what it loaded, in whatever way: it lives."""
        done = self._loads.pop(loop, None)
        if done is not None:
            self.forget(done.version)

    def excuse(self, loop: str, now: float) -> None:
        """Let the time of a load count from now on: nobody could look at it before."""
        if loop in self._loads:
            self._loads[loop].since = now

    def overdue(self, loop: str, now: float) -> str:
        """Return why a loop has to be killed, once per load; empty if it has not."""
        load = self._loads.get(loop)
        if load is None or load.late or now - load.since <= self.limit:
            return ""
        load.late = True
        return f"loading model {load.version[0]}, version {load.version[1]}, {self._too_long()}"

    def died(self, loop: str) -> None:
        """Hold the death of a loop against what it was loading, if it was."""
        load = self._loads.pop(loop, None)
        if load is not None:
            reason = f"loading {self._too_long()}" if load.late else DIES
            self._deaths.setdefault(load.version, []).append(reason)

    def verdict(self, version: Version) -> str:
        """Return why a version is given up; empty if it is not."""
        deaths = self._deaths.get(version, [])
        return deaths[-1] if len(deaths) >= LIVES else ""

    def forget(self, version: Version) -> None:
        """Hold nothing against a version any more: it gets another trial."""
        self._deaths.pop(version, None)

    def given_up(self) -> str:
        """Name a version that is given up, and why; empty if none is."""
        for version in self._deaths:
            if reason := self.verdict(version):
                return f"model {version[0]}, version {version[1]}: {reason}"
        return ""

    def _too_long(self) -> str:
        return f"took over {self.limit:g} s"
