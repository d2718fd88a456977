"""The keys that are let in now. A file of keys is read again when it changes, so that one can be
taken away from a client at any time without a restart.
"""

import asyncio
import hmac
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from parallax.contract import errors
from parallax.gateway import callers
from parallax.policy import admission
from parallax.settings import concerns, key_file, stamps

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks at the file."""


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
    was started in place of another meanwhile goes by ``spare``, which are the keys from before.
    """

    def __init__(self, http: concerns.HttpSettings, spare: tuple[key_file.Key, ...] = ()) -> None:
        self._http = http
        self._keys = spare
        self._holders: tuple[Holder, ...] = ()
        self._holders = tuple(self._held(spare))
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
        if self._stamp != stamps.of(self._http.api_keys_file):
            self._look()

    def _look(self) -> None:
        # The stamp first: what is written after it shows in the next look.
        self._stamp = stamps.of(self._http.api_keys_file)
        try:
            keys = key_file.collect(self._http)
        except errors.SettingsError as problem:
            log.error("%s, the new file is not usable: %s", self._remain(), problem.message)
            return
        before, self._keys = self._keys, keys
        self._holders = tuple(self._held(keys))
        if self._http.api_keys_file is not None:
            log.info("%s", "; ".join([_count(keys), *_changes(before, keys)]))

    def _remain(self) -> str:
        if self._keys:
            return f"keys stay as they were ({len(self._keys)})"
        return "no key is known yet and nobody let in"

    def _held(self, keys: Iterable[key_file.Key]) -> Iterable[Holder]:
        gates = {(h.caller.name, h.caller.most): h.gate for h in self._holders}
        for key in keys:
            caller = callers.Caller(key.name, key.models, key.admin, key.max_concurrent)
            gate = gates.get((caller.name, caller.most))
            if gate is None and caller.most:
                gate = admission.Admission(caller.most)
            yield Holder(key.digest, caller, gate)


def _count(keys: Sequence[key_file.Key]) -> str:
    return "1 key" if len(keys) == 1 else f"{len(keys)} keys"


def _changes(before: Iterable[key_file.Key], after: Iterable[key_file.Key]) -> Iterator[str]:
    """Yield what became of the keys, by their names."""
    old, new = ({key.digest: key for key in keys} for keys in (before, after))
    both = old.keys() & new.keys()
    groups = {
        "new": [new[digest].name for digest in new.keys() - both],
        "gone": [old[digest].name for digest in old.keys() - both],
        "changed": [new[digest].name for digest in both if old[digest] != new[digest]],
    }
    for what, names in groups.items():
        if names:
            yield f"{what}: {', '.join(sorted(names))}"
