"""How long a connection may stay in which state: decisions only, the clock is an argument."""

import enum
from dataclasses import dataclass


class Phase(enum.Enum):
    """What a connection is doing."""

    IDLE = "idle"
    """Nothing of a request has come, be it the first or the next."""
    HEADERS = "headers"
    """The headers of a request have begun."""
    BUSY = "busy"
    """A request is being read or answered; the application sees to its end."""
    SKIPPING = "skipping"
    """A request has been refused, and its body is being thrown away."""
    CLOSING = "closing"
    """The last answer has been written; what still comes is thrown away."""


class Verdict(enum.Enum):
    """What is to be done about a connection."""

    KEEP = "keep"
    CLOSE = "close"
    TIMEOUT = "timeout"
    """Say that the request took too long to come, then close."""
    ABORT = "abort"
    """Drop it with all that it was to be sent."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Seconds."""

    headers: float = 15.0
    """From the first byte of a request to the end of its headers."""
    skipping: float = 10.0
    """For the body of a request that was refused."""
    idle: float = 75.0
    """Without any byte of a request."""
    stalled: float = 30.0
    """In which a client takes nothing of its answer."""
    farewell: float = 2.0
    """For which what a client still sends after its last answer is read and thrown away: closing
    with bytes unread would reset the connection, often before the client has seen the answer."""
    drain: float = 1.0
    """Of silence while draining, after which an idle connection is closed."""
    crowded: float = 2.0
    """Without a whole head of a request, on a connection beyond the limit."""
    evictable: float = 1.0
    """Of silence, after which an idle connection may be closed to make room for a new one."""
    look: float = 1.0
    """Between two looks at all connections; deadlines are late by so much at most."""


class Watch:
    """The state of one connection, with the time since when."""

    __slots__ = ("_progress", "_taken", "crowded", "phase", "since", "written")

    def __init__(self, now: float, *, crowded: bool = False) -> None:
        self.phase = Phase.IDLE
        self.since = now
        self.crowded = crowded
        """Accepted beyond the limit, for one request that must come soon."""
        self.written = 0
        """Bytes handed to the transport so far."""
        self._taken = 0
        self._progress = now

    def enter(self, phase: Phase, now: float) -> None:
        """Note a change; entering the same phase again changes nothing."""
        if phase is not self.phase:
            self.phase = phase
            self.since = now

    def judge(self, rules: Rules, now: float, unsent: int, draining: float | None) -> Verdict:
        """Return what to do, given the bytes that wait in the transport and since when the server
        drains."""
        taken = self.written - unsent
        if unsent == 0 or taken > self._taken:
            self._taken, self._progress = taken, now
        elif now - self._progress >= rules.stalled:
            return Verdict.ABORT
        silent = now - self.since
        match self.phase:
            case Phase.IDLE if silent >= self._longest_idle(rules, draining):
                return Verdict.CLOSE
            case Phase.HEADERS if silent >= (rules.crowded if self.crowded else rules.headers):
                return Verdict.TIMEOUT
            case Phase.SKIPPING if silent >= rules.skipping:
                return Verdict.ABORT
            case Phase.CLOSING if silent >= rules.farewell and unsent == 0:
                return Verdict.ABORT
        return Verdict.KEEP

    def _longest_idle(self, rules: Rules, draining: float | None) -> float:
        if self.crowded:
            return rules.crowded
        if draining is None:
            return rules.idle
        return min(rules.idle, max(0.0, draining - self.since) + rules.drain)
