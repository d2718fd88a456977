"""The book of all requests of a run: what became of each, and whether that can be forgiven.

Pure: events in, totals out. A cut connection is forgiven if the process at its other end was killed
by us, which is known exactly: its sockets are listed while it is stopped, before it dies. A request
that was sent after the server had been told to stop may be refused in any way.
"""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from parallax.chaos import asking
from parallax.chaos.asking import Kind, Verdict

MOST_REASONS = 20
"""Different reasons that are kept for a verdict; more of them are one."""
_REUSE = 5.0
"""Seconds after which a port may belong to another connection. Before that it is the same one,
even if its client was too busy to note at once when it was opened."""
SPOILT = frozenset({Verdict.WRONG, Verdict.UNANSWERED, Verdict.TWICE, Verdict.FAILED})
"""What must not be."""
MOST_CASES = 20
_MORE = "(other reasons)"


class Event(msgspec.Struct, frozen=True, array_like=True):
    """The end of a request, or (``TWICE``) something that came after it."""

    number: int
    kind: Kind
    verdict: Verdict
    reason: str
    sent: float
    """Moment (monotonic), as those below."""
    ended: float
    opened: float = 0.0
    """When its connection was opened; 0 if there never was one."""
    port: int = 0
    """The client's, of that connection."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Connections that died with a process of the server, by our hand."""

    at: float
    """The process accepted nothing from then on."""
    ports: frozenset[int]


@dataclass(slots=True)
class Mark:
    """A moment, and when the first picture was read rightly that was asked for after it."""

    at: float
    answered: float | None = None


class Case(msgspec.Struct, frozen=True):
    """One thing that must not be; moments in seconds from the beginning of the load."""

    verdict: str
    reason: str
    number: int
    sent_s: float
    ended_s: float


class Totals(msgspec.Struct, frozen=True):
    """Requests by what became of them; ``twice`` counts surplus answers, not requests."""

    sent: int
    right: int
    wrong: int
    unanswered: int
    twice: int
    refused: int
    failed: int
    cut_with_api: int
    hung_up: int
    slowest_s: float
    """The slowest right answer."""
    kinds: dict[str, int]
    """Right answers by what was asked."""
    reasons: dict[str, dict[str, int]]
    """Why, by verdict; without what is right."""
    cases: list[Case]
    """The first of what must not be."""

    @property
    def spoilt(self) -> list[str]:
        """What must not be."""
        counts = {
            "wrong": self.wrong,
            "unanswered": self.unanswered,
            "answered twice": self.twice,
            "failed": self.failed,
        }
        found = [f"{count} {name}" for name, count in counts.items() if count]
        return found if self.right else [*found, "no right answer at all"]


@dataclass(slots=True)
class Ledger:
    """Takes events as they come; ``totals`` may be asked at any time."""

    cuts: list[Cut] = field(default_factory=list)
    began: float = 0.0
    """When the load began."""
    stopping: float | None = None
    """When the server was told to stop."""
    _seen: set[int] = field(default_factory=set)
    _counts: Counter[Verdict] = field(default_factory=Counter)
    _kinds: Counter[str] = field(default_factory=Counter)
    _reasons: dict[Verdict, Counter[str]] = field(default_factory=dict)
    _severed: list[Event] = field(default_factory=list)
    _spoilt: list[Event] = field(default_factory=list)
    _marks: list[Mark] = field(default_factory=list)
    _slowest: float = 0.0

    def mark(self, at: float) -> Mark:
        """Watch for the first picture that is read rightly and was asked for after a moment."""
        found = Mark(at)
        self._marks.append(found)
        return found

    def add(self, event: Event) -> None:
        """Enter what became of a request. A second end of the same one is a second answer."""
        verdict = event.verdict
        if verdict is not Verdict.TWICE:
            if event.number in self._seen:
                verdict = Verdict.TWICE
            self._seen.add(event.number)
        if verdict is Verdict.CUT:
            self._severed.append(event)
            return
        _count(self._counts, self._reasons, verdict, event.reason)
        if verdict in SPOILT and len(self._spoilt) < MOST_CASES:
            self._spoilt.append(msgspec.structs.replace(event, verdict=verdict))
        if verdict is Verdict.RIGHT:
            self._kinds[event.kind.value] += 1
            self._slowest = max(self._slowest, event.ended - event.sent)
            if event.kind in asking.READING:
                self._tell(event)

    def totals(self, sent: int) -> Totals:
        """Return the sums. ``sent`` is how many requests there were: one without an end is lost."""
        counts, reasons = self._counts.copy(), {k: v.copy() for k, v in self._reasons.items()}
        forgiven, spoilt = 0, list(self._spoilt)
        for event in self._severed:
            if self._died_with_its_process(event):
                forgiven += 1
                continue
            verdict = Verdict.REFUSED if self._came_too_late(event) else Verdict.UNANSWERED
            _count(counts, reasons, verdict, event.reason)
            if verdict in SPOILT:
                spoilt.append(msgspec.structs.replace(event, verdict=verdict))
        for _ in range(sent - len(self._seen)):
            _count(counts, reasons, Verdict.UNANSWERED, "nothing is known of its end")
        return Totals(
            sent=sent,
            right=counts[Verdict.RIGHT],
            wrong=counts[Verdict.WRONG],
            unanswered=counts[Verdict.UNANSWERED],
            twice=counts[Verdict.TWICE],
            refused=counts[Verdict.REFUSED],
            failed=counts[Verdict.FAILED],
            cut_with_api=forgiven,
            hung_up=counts[Verdict.HUNG_UP],
            slowest_s=self._slowest,
            kinds=dict(self._kinds),
            reasons={verdict.value: dict(found) for verdict, found in reasons.items()},
            cases=[self._case(event) for event in spoilt[:MOST_CASES]],
        )

    def _case(self, event: Event) -> Case:
        sent, ended = event.sent - self.began, event.ended - self.began
        return Case(event.verdict.value, event.reason, event.number, sent, ended)

    def _tell(self, event: Event) -> None:
        for mark in self._marks:
            if event.sent >= mark.at and (mark.answered is None or event.ended < mark.answered):
                mark.answered = event.ended

    def _died_with_its_process(self, event: Event) -> bool:
        return any(
            event.port in cut.ports and 0 < event.opened < cut.at + _REUSE and event.ended >= cut.at
            for cut in self.cuts
        )

    def _came_too_late(self, event: Event) -> bool:
        return self.stopping is not None and event.sent >= self.stopping


def _count(
    counts: Counter[Verdict], reasons: dict[Verdict, Counter[str]], verdict: Verdict, reason: str
) -> None:
    counts[verdict] += 1
    if verdict is Verdict.RIGHT:
        return
    known = reasons.setdefault(verdict, Counter())
    known[reason if reason in known or len(known) < MOST_REASONS else _MORE] += 1
