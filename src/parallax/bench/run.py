"""A whole run: the ceiling, the server, one phase after the other, the ceiling again."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import structs

from parallax import version
from parallax.bench import (
    inquiry,
    insight,
    machine,
    phase,
    pictures,
    plan,
    result,
    server,
    statistics,
    table,
    tally,
    targets,
)
from parallax.contract import tasks

_SEED = 1


class Measure(Protocol):
    """How fast the stages alone are: ``ceiling.measure``."""

    def __call__(
        self,
        models: Sequence[Path],
        model: str | None,
        pictures: Sequence[bytes],
        seconds: float,
        device: str | None,
    ) -> result.Ceiling:
        """Return what was found."""


class Progress(Protocol):
    """Where a person sees how far it is."""

    def now(self, text: str) -> None:
        """Say what is going on; called often."""

    def line(self, text: str) -> None:
        """Say what was found."""


def run(
    asked: plan.Plan, started: str, cpus: int, progress: Progress, measure: Measure | None
) -> result.Report:
    """Do all that is asked and return the report.

    Args:
        asked: what to do.
        started: the time of day, ISO 8601.
        cpus: cores that this process may use.
        progress: told what is going on.
        measure: finds out the ceiling; None leaves it out.

    Raises:
        BenchError: no pictures, no server, no model, or a client process or server that died.
    """
    if asked.url is not None:  # a mistake is better told before all that follows
        targets.address(asked.url)
        there = inquiry.Server(asked.url, asked.key)
        there.check_trust()
        asked = structs.replace(asked, model=asked.model or there.first_model())
    progress.now("making pictures" if asked.images is None else "reading pictures")
    found = pictures.load(asked.images)

    def ceiling(moment: str) -> list[result.Ceiling]:
        if measure is None:
            return []
        progress.now(f"ceiling, {moment} the load")
        data = [picture for picture, _ in found]
        seconds = asked.timing.duration
        one = measure(asked.ceiling_models, asked.model, data, seconds, asked.device)
        progress.line(f"ceiling, {moment} the load: {one.images_per_s:.1f} images/s")
        return [one]

    runs = ceiling("before")
    with _server(asked, progress) as url:
        target, phases = _phases(asked, url, found, cpus, progress)
    runs += ceiling("after")
    return result.Report(
        format=result.FORMAT,
        parallax=version.VERSION,
        started=started,
        machine=machine.describe(cpus),
        target=target,
        pictures=pictures.describe(found),
        ceiling=statistics.mean_ceiling(runs) if runs else None,
        phases=phases,
        command=plan.command(asked, target.model, ceiling=measure is not None),
    )


@contextlib.contextmanager
def _server(asked: plan.Plan, progress: Progress) -> Iterator[str]:
    if asked.url is not None:
        yield asked.url
        return
    with server.started(asked.serve_args, lambda: progress.now("starting parallax serve")) as url:
        yield url
        progress.now("stopping the server")


def _phases(
    asked: plan.Plan,
    url: str,
    found: Sequence[pictures.Picture],
    cpus: int,
    progress: Progress,
) -> tuple[result.Target, list[result.Phase]]:
    asking = inquiry.Server(url, asked.key)
    name = asked.model or asking.first_model()
    model = asking.model(name)
    inside = insight.Insight(asking, model)
    progress.now("making requests")
    tensor, dimensions = asking.input_of(name) if asked.api == "v2" else ("", 1)
    route = targets.ROUTES.get(model.task, targets.ROUTES[tasks.OBJECT_DETECTION])
    at = targets.address(url)
    patience = asked.timing.timeout if asked.tell_timeout else None
    whom = targets.Asked(at, asked.api, name, asked.key, route, tensor, dimensions, patience)
    make = _orders(asked, whom, found)
    phases = []
    for load in asked.loads:
        one = phase.measure(make(load), asked.clients, inside, cpus, progress.now)
        progress.line(table.line(one))
        phases.append(one)
    target = result.Target(url, asked.api, name, asked.url is None, asked.shown_args)
    return target, phases


def _orders(
    asked: plan.Plan, whom: targets.Asked, found: Sequence[pictures.Picture]
) -> Callable[[plan.Load], tally.Order]:
    """Return what makes the order of a phase; the requests are the same in all of them."""
    requests = [targets.request(whom, picture) for picture, _ in found]
    sizes = [size for _, size in found]

    def make(load: plan.Load) -> tally.Order:
        return tally.Order(whom.address, asked.api, requests, sizes, load, asked.timing, _SEED)

    return make
