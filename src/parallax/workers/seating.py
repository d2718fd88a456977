"""From a worker's config to what every kind of worker starts with."""

from parallax.broker import base, client
from parallax.contract import topology
from parallax.workers import lease, triage
from parallax.workers.config import WorkerConfig


def seat(config: WorkerConfig) -> triage.Seat:
    """Return the consumer that a slot is."""
    name = topology.consumer_name(config.keys.node, config.stage, config.slot)
    return triage.Seat(config.keys.node, base.Holder(config.stage, name), config.max_losses)


def streams(config: WorkerConfig) -> tuple[str, ...]:
    """Return the streams that a slot reads."""
    match config.stage:
        case topology.Stage.PRE:
            return (config.keys.pre,)
        case topology.Stage.INFER:
            return tuple(config.keys.infer(model.id) for model in config.models)
        case topology.Stage.POST:
            return (config.keys.post,)


def lease_keeper(config: WorkerConfig) -> lease.LeaseKeeper:
    """Return the thread that proves that this worker lives."""
    holder = seat(config).holder
    renew = base.Renew(streams(config), holder, config.lease_ms)
    return lease.LeaseKeeper(
        lambda: client.connect_blocking(config.broker_url, config.keys), renew, holder.consumer
    )
