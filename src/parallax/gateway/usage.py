"""Which versions of models the requests in flight of one api process were admitted for."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection, Iterator

from parallax.contract import spec


class Usage:
    """Counts requests by version."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._freed = asyncio.Event()

    @contextlib.contextmanager
    def of(self, model: spec.ModelSpec) -> Iterator[None]:
        """Count a request for as long as it is in flight."""
        version = model.id, model.version
        self._counts[version] += 1
        try:
            yield
        finally:
            self._counts[version] -= 1
            if not self._counts[version]:
                del self._counts[version]
                self._freed.set()

    async def only(self, models: Collection[spec.ModelSpec]) -> None:
        """Wait until no other models than these are in use."""
        wanted = {(model.id, model.version) for model in models}
        while not self._counts.keys() <= wanted:
            self._freed.clear()
            await self._freed.wait()
