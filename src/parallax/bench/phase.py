"""One phase: the clients send, and the server is looked at when the warm-up and the phase end."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from parallax.bench import crowd, insight, result, scrape, statistics, tally

Tell = Callable[[str], None]
"""Gets what is going on, in a few words, again and again."""

_LOOK = 0.1
_BUSY = 0.9
"""Part of a core from which on a client process is too busy to send when it should."""
_LATE = 0.01
"""Part of the requests that may leave late."""


def measure(
    order: tally.Order, processes: int, inside: insight.Insight, cpus: int, tell: Tell
) -> result.Phase:
    """Put the load of ``order``, divided among client processes, on the server.

    Raises:
        BenchError: a client process died or did not answer.
    """
    timing, load = order.timing, order.load
    orders = crowd.orders(order, processes)
    with crowd.Crowd(orders) as clients:
        begin = clients.begin() + timing.warmup
        end = begin + timing.duration
        _wait(begin, lambda: tell(f"{load}: warm-up"))
        cpu, counters = inside.cpu(), inside.counters()

        def still() -> None:
            tell(f"{load}: {_progress(begin, timing.duration)}")

        if load.rate is None:
            _wait(end, still)
            cpu_after = inside.cpu()
            outcomes = clients.gather(end + timing.timeout, still)
        else:
            outcomes = clients.gather(end + timing.timeout, still)
            cpu_after = inside.cpu()
    used = inside.used(cpu, cpu_after)
    seconds = timing.duration
    if load.rate is not None:
        seconds = max(seconds, *(each.last - begin for each in outcomes))
    seen, after = summary(order, outcomes, seconds, cpus), inside.counters()
    return msgspec.structs.replace(
        seen,
        batches=scrape.batches(counters, after),
        mean_batch=scrape.mean_batch(counters, after),
        stage_ms=scrape.stage_ms(counters, after),
        cpu_ms_per_image={
            kind: statistics.per_image(1000 * spent, seen.answered) for kind, spent in used.items()
        },
        pss_mb=inside.pss_mb(),
    )


def summary(
    order: tally.Order, outcomes: Sequence[tally.Outcome], seconds: float, cpus: int
) -> result.Phase:
    """Return what the clients alone can tell."""
    ms = _milliseconds([each.latencies for each in outcomes])
    refusals = _milliseconds([each.refusals for each in outcomes])
    errors: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for each in outcomes:
        errors.update(each.errors)
        reasons = each.reasons | reasons
    return result.Phase(
        mode="closed" if order.load.rate is None else "open",
        concurrency=order.load.concurrency,
        rate=order.load.rate,
        seconds=seconds,
        sent=sum(each.sent for each in outcomes),
        answered=len(ms),
        images_per_s=len(ms) / seconds,
        errors=dict(sorted(errors.items())),
        latency_ms=statistics.latency(ms),
        curve=statistics.curve(ms),
        batches={},
        cpu_ms_per_image={},
        client=_client(outcomes, seconds, cpus),
        pss_mb=None,
        reasons=reasons,
        refusals_ms=statistics.latency(refusals) if len(refusals) else None,
    )


def _milliseconds(seconds: Sequence[bytes]) -> statistics.Samples:
    return np.concatenate([np.frombuffer(each) for each in seconds]) * 1000.0


def _client(outcomes: Sequence[tally.Outcome], seconds: float, cpus: int) -> result.Client:
    cpu = sum(each.cpu for each in outcomes)
    sent = sum(each.sent for each in outcomes)
    late = sum(each.late for each in outcomes)
    busy = any(each.cpu > _BUSY * seconds for each in outcomes)
    return result.Client(
        processes=len(outcomes),
        cpu_ms_per_image=statistics.per_image(1000 * cpu, sent),
        share_of_cores=cpu / (seconds * cpus),
        fell_behind=busy or late > _LATE * sent,
        held=sum(each.held for each in outcomes),
    )


def _wait(moment: float, tick: Callable[[], None]) -> None:
    while (left := moment - time.monotonic()) > 0:
        tick()
        time.sleep(min(left, _LOOK))


def _progress(begin: float, duration: float) -> str:
    passed = time.monotonic() - begin
    if passed >= duration:
        return "waiting for the last answers"
    return f"{passed:.0f} of {duration:g} s"
