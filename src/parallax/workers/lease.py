"""Proof of life: a thread that renews a consumer's lease, however busy its owner is.

Renewing also sets the idle time of the consumer's pending entries to zero, so that an entry which
the sweeper finds idle is one whose owner has not been heard of for a whole lease. A stopped process
stops this thread too.
"""

import logging
import threading
from collections.abc import Callable

from parallax.broker import base
from parallax.contract import errors

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews on a connection of its own every third of the lease, from ``start`` to ``stop``."""

    def __init__(
        self,
        connect: Callable[[], base.BlockingBroker],
        renew: Callable[[], base.Renew],
        name: str,
    ) -> None:
        self._connect = connect
        self._renew = renew
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lease {name}", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the lease then runs out by itself."""
        self._stop.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        broker = self._connect()
        while True:
            # Asked for each time: the streams of a loop change with its models.
            renew = self._renew()
            period = renew.ttl_ms / 3000.0
            try:
                broker.execute(renew)
                pause = period
            except errors.ParallaxError as problem:
                # Whatever it is, giving up would make every entry of a living worker look lost.
                log.debug("lease not renewed: %s", problem)
                pause = min(period, 0.2)
            if self._stop.wait(pause):
                broker.close()
                return
