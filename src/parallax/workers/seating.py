"""From a worker's config to what every kind of worker starts with."""

from collections.abc import Callable

from parallax.broker import base, client
from parallax.contract import topology
from parallax.workers import lease, triage
from parallax.workers.config import WorkerConfig


def seat(config: WorkerConfig) -> triage.Seat:
    """Return the consumer that a slot is."""
    name = topology.consumer_name(config.keys.node, config.stage, config.slot)
    return triage.Seat(config.keys.node, base.Holder(config.stage, name), config.max_losses)


def lease_keeper(config: WorkerConfig, streams: Callable[[], tuple[str, ...]]) -> lease.LeaseKeeper:
    """Return the thread that proves that this worker lives; ``streams`` are those it reads now."""
    holder = seat(config).holder
    return lease.LeaseKeeper(
        lambda: client.connect_blocking(config.broker_url, config.keys),
        lambda: base.Renew(streams(), holder, config.lease_ms),
        holder.consumer,
    )
