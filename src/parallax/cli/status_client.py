"""Asks a running server for its status, with the standard library alone."""

import http.client
import ipaddress
import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from parallax.contract import errors

TIMEOUT = 5.0
"""Seconds for each step of the exchange; a server that is alive needs milliseconds."""

_PARTS: tuple[tuple[str, type], ...] = (("processes", list), ("streams", dict), ("models", list))


def local_url(host: str, port: int, scheme: str = "http") -> str:
    """Return where a server that listens on this address is reached from this machine."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return f"{scheme}://{host}:{port}"
    if address.is_unspecified:
        return f"{scheme}://127.0.0.1:{port}"
    shown = f"[{address}]" if address.version == 6 else str(address)
    return f"{scheme}://{shown}:{port}"


def fetch(
    url: str, key: str | None = None, certificate: str | None = None, *, ours: bool = False
) -> dict[str, Any]:
    """Return the server's status; ``processes``, ``streams`` and ``models`` are always there.

    With ``certificate`` (a PEM file) a https server must show just that, under whatever name; else
    one that this machine trusts (``SSL_CERT_FILE`` names others). ``ours`` is the server of the
    settings, whose key it gets.

    Raises:
        StartupError: nothing answers there, or not a parallax server, or one that wants another
            key.
    """
    if not url.startswith(("http://", "https://")):
        raise errors.SettingsError(f"--url: {url!r} is not a http:// or https:// address")
    target = url.rstrip("/") + "/status"
    try:
        status = json.loads(_get(target, key, certificate, ours=ours))
    except (OSError, http.client.HTTPException) as problem:
        reason = getattr(problem, "reason", None) or problem
        raise errors.StartupError(
            f"no server answers at {target}: {reason}; --url names another"
        ) from problem
    except ValueError as problem:
        raise errors.StartupError(f"{target} answers, but not with a status") from problem
    return _complete(status, target)


def _get(target: str, key: str | None, certificate: str | None, *, ours: bool) -> bytes:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    # Proxies are for the world outside; the status is asked on the machine or its network.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_trust(certificate))
    )
    try:
        request = urllib.request.Request(target, headers=headers)
        with opener.open(request, timeout=TIMEOUT) as response:
            body: bytes = response.read()
            return body
    except urllib.error.HTTPError as refusal:
        with refusal:
            body = refusal.read()
        if refusal.code == http.client.SERVICE_UNAVAILABLE and body.startswith(b"{"):
            return body  # not ready, and saying so
        if refusal.code == http.client.UNAUTHORIZED:
            raise errors.StartupError(_unauthorized(target, key, ours=ours)) from refusal
        if refusal.code == http.client.FORBIDDEN:
            raise errors.StartupError(_forbidden(target)) from refusal
        raise


def _trust(certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate)
    if certificate is not None:
        context.check_hostname = False  # it is asked by address
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _unauthorized(target: str, key: str | None, *, ours: bool) -> str:
    if key is not None:
        return f"{target} does not take the API key of the settings; PARALLAX_API_KEY names another"
    if ours:
        return (
            f"{target}: the server asks for an API key: "
            "set PARALLAX_API_KEY to one with admin rights"
        )
    return (
        f"{target} asks for an API key; with --url no key is sent. "
        "Use PARALLAX_PORT=… PARALLAX_API_KEY=… parallax status instead."
    )


def _forbidden(target: str) -> str:
    return (
        f"{target} is not for the API key of the settings, which may not manage the server; "
        "PARALLAX_API_KEY names another"
    )


def _complete(status: object, target: str) -> dict[str, Any]:
    if not isinstance(status, dict):
        raise errors.StartupError(f"{target} answers, but not with a status")
    empty: dict[str, Any] = {name: kind() for name, kind in _PARTS}
    complete = empty | status
    if not all(isinstance(complete[name], kind) for name, kind in _PARTS):
        raise errors.StartupError(f"{target} answers, but not with a status")
    return complete
