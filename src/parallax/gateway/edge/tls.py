"""Certificates of the server: read at the start, and again when the files change.

TLS 1.2 and later with the ciphers that this OpenSSL thinks secure; HTTP/1.1 is all that is offered.
"""

import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from parallax.contract import errors
from parallax.settings import concerns

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the files, which are only looked at when somebody connects."""

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files: the certificate with those that it hangs on, and its key (else in the same
    file)."""

    certificate: str
    key: str | None = None


def files(http: concerns.HttpSettings) -> Files | None:
    """Return what the settings name; None: no encryption.

    Raises:
        SettingsError: a key without a certificate.
    """
    if http.tls_cert is not None:
        return Files(http.tls_cert, http.tls_key)
    if http.tls_key is not None:
        raise errors.SettingsError("--tls-key: there is no certificate; name one by --tls-cert")
    return None


def check(http: concerns.HttpSettings) -> None:
    """Make sure that what the settings name can be used.

    Raises:
        SettingsError: it cannot; names the option.
    """
    given = files(http)
    if given is not None:
        load(given)


def load(given: Files) -> ssl.SSLContext:
    """Read the files.

    Raises:
        SettingsError: they cannot be read, or do not fit together; names the option.
    """
    key_option = "--tls-cert" if given.key is None else "--tls-key"
    _check_readable("--tls-cert", given.certificate)
    _check_readable(key_option, given.key or given.certificate)
    try:
        ssl.create_default_context(cafile=given.certificate)
    except ssl.SSLError as problem:
        raise errors.SettingsError(
            f"--tls-cert: there is no certificate (PEM) in {given.certificate}"
        ) from problem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password OpenSSL would ask on the terminal for that of an encrypted key.
        context.load_cert_chain(given.certificate, given.key, lambda: "")
    except ssl.SSLError as problem:
        raise errors.SettingsError(f"{key_option}: {_reason(given, problem)}") from problem
    return context


def _reason(given: Files, problem: ssl.SSLError) -> str:
    file = given.key or given.certificate
    if problem.reason == "KEY_VALUES_MISMATCH":
        return f"the key in {file} is not that of the certificate in {given.certificate}"
    return f"there is no key (PEM) in {file}, or it is encrypted"


def _check_readable(option: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise errors.SettingsError(f"{option}: {path} cannot be read: {reason}") from problem


class Certificates:
    """Gives each connection what to encrypt it with; who is connected keeps what it has."""

    def __init__(self, given: Files, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = given
        self._clock = clock
        self._stamp = self._look()
        self._context = load(given)
        self._looked = clock()

    def current(self) -> ssl.SSLContext:
        """Return the context of the newest files that are in order."""
        now = self._clock()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._refresh()
        return self._context

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._context = load(self._files)
        except errors.SettingsError as problem:
            # Half of them may have been replaced; the rest changes the stamp again.
            log.warning("the certificate in use is kept: %s", problem.message)
        else:
            log.info("the certificate in %s is used from now on", self._files.certificate)

    def _look(self) -> Stamp:
        found = []
        for path in (self._files.certificate, self._files.key):
            try:
                stat = os.stat(path or self._files.certificate)
            except OSError:
                continue
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)
