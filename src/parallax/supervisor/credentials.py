"""The newest certificate and keys that could be used: what an api process goes by that starts
while their files cannot be, because somebody is replacing them or made a mistake.

They stay in memory: no private key is written anywhere. Keys of clients are digests.
"""

import asyncio
import contextlib

from parallax.contract import errors
from parallax.gateway.edge import tls
from parallax.settings import concerns, key_file, stamps

INTERVAL = 1.0
"""Seconds between two looks at the files, as often as the api processes look: a key that was taken
away must not come back with the next api process."""


class Credentials:
    """Follows the files that the settings name."""

    def __init__(self, http: concerns.HttpSettings) -> None:
        """Read the files.

        Raises:
            SettingsError: they cannot be used; names the option or the file.
        """
        self._http = http
        self._stamps = self._look()
        self.certificate = tls.usable(http)
        self.keys = key_file.collect(http)

    async def watch(self) -> None:
        """Follow the files for ever; at once over where there are none."""
        while self._http.tls_cert is not None or self._http.api_keys_file is not None:
            await asyncio.sleep(INTERVAL)
            # In a thread: a disk that is slow holds up nothing.
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Read what has changed; what cannot be used is left, and told by the api processes."""
        before, self._stamps = self._stamps, self._look()
        if before[0] != self._stamps[0]:
            with contextlib.suppress(errors.SettingsError):
                self.certificate = tls.usable(self._http)
        if before[1] != self._stamps[1]:
            with contextlib.suppress(errors.SettingsError):
                self.keys = key_file.collect(self._http)

    def _look(self) -> tuple[stamps.Stamp, stamps.Stamp]:
        http = self._http
        return stamps.of(http.tls_cert, http.tls_key), stamps.of(http.api_keys_file)
