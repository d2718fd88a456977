"""The keys that are let in now. A file of keys is read again when it changes, so that one can be
taken away from a client at any time without a restart.
"""

import asyncio
import hmac
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from parallax.contract import errors
from parallax.gateway import callers
from parallax.policy import admission
from parallax.settings import concerns, key_file

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks at the file."""

_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """A caller with what tells it from others, and what it shares among its requests."""

    digest: bytes
    caller: callers.Caller
    gate: admission.Admission | None
    """Its quota in this process, if it has one."""


class Keyring:
    """Knows callers by their keys.

    A file that cannot be used changes nothing: who was let in before still is. A process that
    has not read it yet, because it was started in place of another, lets nobody of it in.
    """

    def __init__(self, http: concerns.HttpSettings) -> None:
        self._http = http
        self._holders: tuple[Holder, ...] = ()
        self._stamp: _Stamp | None = None
        self._look()

    def find(self, key: str) -> Holder | None:
        """Return whose key this is. All are compared in constant time, so that the time tells
        nothing of the place, and only digests, so that it tells nothing of the length."""
        given, found = key_file.digest(key), None
        for holder in self._holders:
            if hmac.compare_digest(given, holder.digest):
                found = holder
        return found

    async def watch(self) -> None:
        """Follow the file for ever; at once over where there is none."""
        while self._http.api_keys_file is not None:
            await asyncio.sleep(INTERVAL)
            # In a thread: a disk that is slow holds up no request.
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Read the file if it is not the one that was read last."""
        if self._stamp != self._stamp_now():
            self._look()

    def _look(self) -> None:
        # The stamp first: what is written after it shows in the next look.
        self._stamp = self._stamp_now()
        try:
            keys = key_file.collect(self._http)
        except errors.SettingsError as problem:
            log.error(
                "keys stay as they were (%d), the new file is not usable: %s",
                len(self._holders),
                problem.message,
            )
            return
        before = {holder.digest: holder.caller.name for holder in self._holders}
        after = {key.digest: key.name for key in keys}
        self._holders = tuple(self._held(keys))
        if self._http.api_keys_file is not None:
            log.info(
                "%d keys; new: %s; gone: %s",
                len(keys),
                _names(after, before),
                _names(before, after),
            )

    def _held(self, keys: Iterable[key_file.Key]) -> Iterable[Holder]:
        gates = {(h.caller.name, h.caller.most): h.gate for h in self._holders}
        for key in keys:
            caller = callers.Caller(key.name, key.models, key.admin, key.max_concurrent)
            gate = gates.get((caller.name, caller.most))
            if gate is None and caller.most:
                gate = admission.Admission(caller.most)
            yield Holder(key.digest, caller, gate)

    def _stamp_now(self) -> _Stamp | None:
        try:
            found = os.stat(self._http.api_keys_file or "")
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _names(these: Mapping[bytes, str], those: Mapping[bytes, str]) -> str:
    return ", ".join(sorted(these[digest] for digest in these.keys() - those.keys())) or "none"
