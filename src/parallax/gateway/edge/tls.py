"""Certificates of the server: read at the start, and again when the files change.

TLS 1.2 and later with the ciphers that this OpenSSL thinks secure; HTTP/1.1 is all that is offered.
"""

import contextlib
import errno
import logging
import os
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from parallax.contract import errors
from parallax.settings import concerns, stamps

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the files, which are only looked at when somebody connects."""

LARGEST = 1 << 20
"""Bytes of a file; a chain has some thousands."""


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


@dataclass(frozen=True, slots=True)
class Pem:
    """What the files held."""

    files: Files
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


def usable(http: concerns.HttpSettings) -> Pem | None:
    """Return what the files hold that the settings name; None: no encryption.

    Raises:
        SettingsError: it cannot be used; names the option.
    """
    given = files(http)
    if given is None:
        return None
    found = read(given)
    context(found)
    return found


def load(given: Files) -> ssl.SSLContext:
    """Return what to encrypt with by these files.

    Raises:
        SettingsError: they cannot be read, or do not fit together; names the option.
    """
    return context(read(given))


def read(given: Files) -> Pem:
    """Return what the files hold, whatever that is.

    Raises:
        SettingsError: they cannot be read; names the option.
    """
    certificate = _content("--tls-cert", given.certificate)
    key = certificate if given.key is None else _content("--tls-key", given.key)
    return Pem(given, certificate, key)


def context(pem: Pem) -> ssl.SSLContext:
    """Return what to encrypt with.

    Raises:
        SettingsError: certificate and key are none, or do not fit together; names the option.
    """
    try:
        with _file_of(pem.certificate) as certificate, _file_of(pem.key) as key:
            return _made(pem.files, certificate, key)
    except OSError as problem:
        raise errors.SettingsError(f"--tls-cert: cannot be used: {problem.strerror}") from problem


def _made(given: Files, certificate: str, key: str) -> ssl.SSLContext:
    try:
        ssl.create_default_context(cafile=certificate)
    except ssl.SSLError as problem:
        raise errors.SettingsError(
            f"--tls-cert: there is no certificate (PEM) in {given.certificate}"
        ) from problem
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password OpenSSL would ask on the terminal for that of an encrypted key.
        made.load_cert_chain(certificate, key, lambda: "")
    except ssl.SSLError as problem:
        option = "--tls-cert" if given.key is None else "--tls-key"
        raise errors.SettingsError(f"{option}: {_reason(given, problem)}") from problem
    return made


@contextlib.contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """Give bytes a path, because ``ssl`` reads nothing else, without writing a key to any disk."""
    with open(os.memfd_create("pem"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _reason(given: Files, problem: ssl.SSLError) -> str:
    file = given.key or given.certificate
    if problem.reason == "KEY_VALUES_MISMATCH":
        return f"the key in {file} is not that of the certificate in {given.certificate}"
    return f"there is no key (PEM) in {file}, or it is encrypted"


def _content(option: str, path: str) -> bytes:
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise errors.SettingsError(f"{option}: {path} cannot be read: {reason}") from problem
    if len(content) > LARGEST:
        raise errors.SettingsError(f"{option}: {path} has more than {LARGEST:,} bytes")
    return content


def _open(path: str, flags: int) -> int:
    # A pipe would keep the reader waiting.
    return os.open(path, flags | os.O_NONBLOCK)


class Certificates:
    """Gives each connection what to encrypt it with; who is connected keeps what it has."""

    def __init__(
        self,
        given: Files,
        clock: Callable[[], float] = time.monotonic,
        spare: Pem | None = None,
    ) -> None:
        """Read the files; while they cannot be used, what they held before does.

        Raises:
            SettingsError: they cannot be used, and there is no ``spare``.
        """
        self._files = given
        self._clock = clock
        self._stamp = self._look()
        try:
            self._context = load(given)
        except errors.SettingsError as problem:
            if spare is None:
                raise
            self._context = context(spare)
            log.warning("the certificate from before is used: %s", problem.message)
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

    def _look(self) -> stamps.Stamp:
        return stamps.of(self._files.certificate, self._files.key)
