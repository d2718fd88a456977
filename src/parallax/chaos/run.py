"""A whole run: a server, a load, one fault after the other, and a look at what is left."""

import time
from typing import NamedTuple

import msgspec

from parallax import version
from parallax.bench import failures, targets
from parallax.bench.run import Progress
from parallax.chaos import (
    attack,
    dropped,
    faults,
    grounds,
    leaks,
    ledger,
    pictures,
    plan,
    result,
    sender,
    senders,
    survey,
)
from parallax.chaos.site import Site, wait

_PICTURES = 120
_FEWEST = 16
"""Pictures that the model must read right."""
_WELL = 60.0
"""Seconds in which a server must be well before anything is done to it."""
_IDLE = 30.0
"""Seconds in which everything must be given back once nobody asks any more."""
_DRAINED = 1.5
"""Seconds of load before a server is told to stop."""
_AFTERWARDS = 0.5
"""And after."""


class _State(NamedTuple):
    """A server at one moment."""

    look: leaks.Look
    dropped: float
    """Replies to nobody that it discarded so far."""


def _state(site: Site) -> _State:
    return _State(survey.look(site), dropped.replies(site.asking))


class _Run:
    def __init__(self, asked: plan.Plan, ground: grounds.Grounds, progress: Progress) -> None:
        self._asked = asked
        self._ground = ground
        self._progress = progress
        self._book = ledger.Ledger(cuts=ground.site.cuts)
        self._order = sender.Order(
            address=targets.address(ground.site.url),
            key=asked.key,
            model=asked.model,
            pictures=pictures.make(_PICTURES),
            clients=asked.clients,
            rate=asked.rate,
            timeout=asked.timeout,
            seed=asked.seed,
        )
        self._sent = 0
        self._interrupted = False

    def all(self, started: str) -> result.Report:
        """Do everything."""
        with senders.Senders(self._order, self._book) as crew:
            self._progress.now("asking for each picture while nothing is wrong")
            ready = crew.check()
            self._accept(ready)
            before = self._calm()
            suffered = attack.Attack(self._ground, crew, self._progress)
            minutes = self._strike(suffered, crew)
        after = self._aftermath(before.look)
        suffered.growth.sample(self._ground.site, time.monotonic())
        end = self._end(ready)
        return result.Report(
            format=result.FORMAT,
            parallax=version.VERSION,
            started=started,
            seed=self._asked.seed,
            faults=self._asked.faults,
            minutes=minutes,
            clients=self._asked.clients,
            rate=ready.rate,
            pictures=ready.readable,
            requests=self._book.totals(self._sent),
            suffered=suffered.suffered,
            skipped=suffered.skipped,
            lasting=suffered.growth.found(),
            run_files=after.look.run_files - before.look.run_files,
            replies_dropped=after.dropped - before.dropped,
            leaks=leaks.judge(before.look, after.look) + suffered.growth.swollen(),
            troubles=suffered.troubles + end,
            interrupted=self._interrupted,
        )

    def _calm(self) -> _State:
        """Return what the server holds before anything is done to it."""
        site, progress = self._ground.site, self._progress
        if not wait(site.calm, _WELL, lambda: progress.now("waiting until all is well")):
            raise failures.BenchError("the server is not well, before anything was done to it")
        wait(site.idle, _IDLE, lambda: progress.now("waiting until it is idle"))
        return _state(site)

    def _strike(self, suffered: attack.Attack, crew: senders.Senders) -> float:
        """Put the load and the faults on the server, and return how many minutes that took."""
        self._book.began = time.monotonic()
        crew.begin()
        try:
            suffered.go_on(self._asked)
        except KeyboardInterrupt:
            self._interrupted = True
        lasted = time.monotonic() - self._book.began
        self._progress.now("waiting for the last answers")
        self._sent = crew.stop()
        return lasted / 60

    def _accept(self, ready: sender.Ready) -> None:
        doubts = ", ".join(f"{count} x {why}" for why, count in ready.doubts.items())
        if ready.readable < _FEWEST:
            raise failures.BenchError(
                f"{self._asked.model} reads only {ready.readable} of {_PICTURES} pictures of the "
                f"demo model's shapes; chaos needs that model to tell answers apart ({doubts})"
            )
        self._progress.line(
            f"seed {self._asked.seed}: {ready.readable} pictures, {self._asked.clients} clients, "
            f"{ready.rate:.0f} requests/s" + (f" (left out: {doubts})" if doubts else "")
        )

    def _aftermath(self, before: leaks.Look) -> _State:
        """Return what the server holds once nobody asks, and all that does so by itself is gone."""
        seen = [_state(self._ground.site)]

        def clean() -> bool:
            seen.append(_state(self._ground.site))
            return not leaks.judge(before, seen[-1].look)

        wait(clean, _IDLE, lambda: self._progress.now("waiting until all is given back"))
        return seen[-1]

    def _end(self, ready: sender.Ready) -> list[str]:
        """Stop the server, under load if that is a fault that was asked for."""
        if not self._ground.own:
            return []
        if faults.DRAIN not in self._asked.faults or self._interrupted:
            return self._ground.end(self._progress.now)
        again = msgspec.structs.replace(self._order, first=self._sent, check=False, rate=ready.rate)
        with senders.Senders(again, self._book) as crew:
            crew.check()
            crew.begin()
            time.sleep(_DRAINED)
            self._book.stopping = time.monotonic()
            self._progress.line(f"{self._book.stopping - self._book.began:6.1f} s  {faults.DRAIN}")
            self._ground.tell_to_stop()
            time.sleep(_AFTERWARDS)
            self._sent += crew.stop()
        return self._ground.end(self._progress.now)


def run(asked: plan.Plan, started: str, progress: Progress) -> result.Report:
    """Do all that is asked and return the report.

    Raises:
        BenchError: no server, not one that can be seen into, or a process of ours that died.
    """
    with grounds.standing(asked, progress.now) as ground:
        return _Run(asked, ground, progress).all(started)
