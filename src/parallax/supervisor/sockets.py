"""The listening sockets, bound by the supervisor before anything starts and shared by all api
processes.

A taken port thus fails at once, and the port stays open while an api process is being replaced.
"""

import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Iterable

from parallax.contract import errors

BACKLOG = 1024
"""Connections that may wait to be accepted; a burst beyond it has to knock again."""

_SO_ATTACH_FILTER = 26
_DROP_SYN = (  # classic BPF over the TCP header: (operation, jump if true, if false, operand)
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # let all else through
)


def bind(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of ``host``.

    Raises:
        StartupError: the address cannot be resolved or used, or the port is taken.
    """
    try:
        addresses = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as problem:
        raise errors.StartupError(
            f"--host: {host!r} is not an address: {problem.strerror}"
        ) from None
    bound: list[socket.socket] = []
    for family, _, _, _, address in dict.fromkeys(addresses):
        # One free port for all addresses: the one that the first was given.
        given = bound[0].getsockname()[1] if bound else port
        try:
            bound.append(_listen(family, (address[0], given, *address[2:])))
        except OSError as problem:
            for each in bound:
                each.close()
            raise errors.StartupError(_explain(host, port, problem)) from problem
    return bound


def turn_away(listening: Iterable[socket.socket]) -> None:
    """Ignore who knocks from now on, in all processes that share the sockets.

    Closing a listening socket resets what has connected and is not accepted yet. So before the last
    process closes it, it must stop filling: who knocks is not answered, knocks again a second later
    and is then refused. Where the kernel cannot do that, few connections may be reset.
    """
    program = b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN)
    code = ctypes.create_string_buffer(program)
    sock_fprog = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(code))
    for each in listening:
        with contextlib.suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, sock_fprog)


def check_free(host: str, port: int, option: str) -> None:
    """Make sure that another program can be given this port.

    Raises:
        StartupError: it is in use; names the option that chose it.
    """
    try:
        _listen(socket.AF_INET, (host, port)).close()
    except OSError as problem:
        raise errors.StartupError(
            f"{option}: port {port} on {host} cannot be used ({problem.strerror});"
            " choose another, or 0 for none"
        ) from problem


def _listen(family: int, address: object) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)  # type: ignore[arg-type]
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _explain(host: str, port: int, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; choose another with --port"
    return f"cannot listen on {host} port {port}: {problem.strerror}"
