"""Does one fault after the other to a server under load, and waits until it is well again."""

import time

from parallax.bench.run import Progress
from parallax.chaos import faults, growth, ledger, plan, result, schedule, senders
from parallax.chaos.grounds import Grounds
from parallax.chaos.site import wait
from parallax.contract import errors

_RECOVERY = 90.0
"""Seconds in which a server must be well again after a fault."""
_LULL = 0.5
"""Seconds of quiet before the first fault, and between a recovery and the next."""


class Attack:
    """Collects what the faults did."""

    def __init__(self, grounds: Grounds, crew: senders.Senders, progress: Progress) -> None:
        self.suffered: list[result.FaultFound] = []
        self.skipped: dict[str, str] = {}
        self.troubles: list[str] = []
        self.growth = growth.Growth()
        self._grounds = grounds
        self._crew = crew
        self._progress = progress
        self._began = time.monotonic()

    def go_on(self, asked: plan.Plan) -> None:
        """Do what the seed says until the time is over or the server does not recover."""
        until = self._began + 60 * asked.minutes
        names = [name for name in asked.faults if name in faults.FAULTS]
        steps = schedule.steps(asked.seed, names, asked.every)
        self.growth.sample(self._grounds.site, time.monotonic())
        self._rest(_LULL)
        while not self.troubles and time.monotonic() < until and set(names) - self.skipped.keys():
            step = next(steps)
            if step.fault not in self.skipped:
                begun = time.monotonic()
                self._suffer(step)
                self.growth.sample(self._grounds.site, time.monotonic())
                self._rest(max(_LULL, min(until, begun + asked.every) - time.monotonic()))
        self._rest(until - time.monotonic())

    def _suffer(self, step: schedule.Step) -> None:
        site = self._grounds.site
        try:
            done = faults.FAULTS[step.fault](site, step)
        except (faults.CannotError, errors.BrokerUnavailableError) as reason:
            self.skipped[step.fault] = str(reason)
            self._progress.line(f"{step.fault}: left out, {reason}")
            return
        at = time.monotonic()
        mark = self._crew.mark(at)
        try:
            wait(done.over, done.lasts, lambda: self._tell(f"{step.fault} ({done.note})"))
        finally:
            done.undo()
        found = self._recovery(step.fault, done, mark)
        self.suffered.append(found)
        self._progress.line(told(found))

    def _recovery(self, name: str, done: faults.Inflicted, mark: ledger.Mark) -> result.FaultFound:
        site = self._grounds.site

        def tick() -> None:
            self._tell(f"{name} ({done.note}): waiting until all is well")

        well = wait(lambda: site.calm(done.gone) and done.healed(), _RECOVERY, tick)
        ready = time.monotonic() - mark.at if well else None
        if not well:
            self._complain(f"not well again {_RECOVERY:g} s after {name} ({done.note})")
        elif not wait(lambda: mark.answered is not None, _RECOVERY, tick):
            self._complain(f"no right answer {_RECOVERY:g} s after {name} ({done.note})")
        right = None if mark.answered is None else mark.answered - mark.at
        return result.FaultFound(name, mark.at - self._began, done.note, right, ready)

    def _complain(self, text: str) -> None:
        reason = self._grounds.site.status().get("reason") or "it does not say why"
        self.troubles.append(f"{text}: {reason}{self._grounds.last_words()}")

    def _rest(self, seconds: float) -> None:
        wait(lambda: False, seconds, lambda: self._tell("all is well"))

    def _tell(self, text: str) -> None:
        self._grounds.check()
        self._progress.now(f"{time.monotonic() - self._began:.0f} s: {text}")


def told(found: result.FaultFound) -> str:
    """Return a fault and what came of it in a line."""
    right, ready = seconds(found.right_after_s), seconds(found.ready_after_s)
    return (
        f"{found.at_s:6.1f} s  {found.name} ({found.note}): right answer after {right}, "
        f"all ready after {ready}"
    )


def seconds(value: float | None) -> str:
    """Return a duration as text."""
    return "never" if value is None else f"{value:.2f} s"
