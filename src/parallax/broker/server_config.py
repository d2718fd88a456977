"""How the embedded broker is run: its options, and the configuration they become.

The configuration goes to the server's standard input (its only argument is ``-``), so that the
password is neither in the process list nor in a file.
"""

from dataclasses import dataclass
from pathlib import Path

from parallax.broker import urls
from parallax.contract import errors

DURABILITY = ("none", "everysec", "always")

SOCKET_NAME = "broker.sock"
LOG_NAME = "broker.log"
PASSWORD_NAME = "redis-password"

_LONGEST_SOCKET_PATH = 107
"""Bytes that the kernel's address structure has room for."""
_MOST_IO_THREADS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What the embedded broker needs to know."""

    run_dir: Path
    """Existing directory of ours; the socket and the log go there."""
    data_dir: Path
    """Existing directory for the append-only file; unused unless ``durability`` asks for one."""
    tcp_port: int
    """Port on loopback for people with redis-cli; 0 for none."""
    maxmemory: int
    """Bytes after which new requests are refused; nothing is ever evicted. 0 for no limit."""
    cpus: int
    """CPUs that this process may use."""
    durability: str = "none"
    password: str | None = None
    """Wanted of every client, also on the unix socket."""

    @property
    def socket(self) -> Path:
        """Where our own processes connect."""
        return self.run_dir / SOCKET_NAME

    @property
    def log(self) -> Path:
        """Where the server's warnings go."""
        return self.run_dir / LOG_NAME


def url(run_dir: Path) -> str:
    """Return the URL of the broker whose socket, and password if it wants one, lie there."""
    secret = run_dir / PASSWORD_NAME
    password = secret.read_text().strip() if secret.is_file() else None
    return urls.unix(str(run_dir / SOCKET_NAME), password)


def check(options: Options) -> None:
    """Refuse what the server would refuse, but by naming our option.

    Raises:
        SettingsError: a value is not allowed.
        StartupError: the run directory's path is too long for a unix socket.
    """
    if options.durability not in DURABILITY:
        raise errors.SettingsError(
            f"durability {options.durability!r}: must be one of {', '.join(DURABILITY)}"
        )
    if not 0 <= options.tcp_port < 1 << 16:
        raise errors.SettingsError(f"redis-port {options.tcp_port}: must be 0 to 65535")
    if options.maxmemory < 0:
        raise errors.SettingsError(f"broker memory {options.maxmemory}: must not be negative")
    if len(bytes(options.socket)) > _LONGEST_SOCKET_PATH:
        raise errors.StartupError(
            f"the path of the broker's socket is longer than {_LONGEST_SOCKET_PATH} bytes: "
            f"{options.socket}; choose a shorter run directory"
        )


def text(options: Options) -> str:
    """Return the configuration in the server's own format."""
    durable = options.durability != "none"
    settings: list[tuple[str, str | int | Path]] = [
        ("daemonize", "no"),
        ("loglevel", "warning"),
        ("port", options.tcp_port),
        ("bind", "127.0.0.1 -::1"),
        ("protected-mode", "yes"),
        ("unixsocket", _quoted(options.socket)),
        ("unixsocketperm", "600"),
        ("tcp-keepalive", 60),
        ("timeout", 0),
        ("io-threads", max(1, min(_MOST_IO_THREADS, options.cpus))),
        ("maxmemory", options.maxmemory),
        ("maxmemory-policy", "noeviction"),
        ("save", '""'),
        ("appendonly", "yes" if durable else "no"),
        ("dir", _quoted(options.data_dir if durable else options.run_dir)),
    ]
    if durable:
        settings.append(("appendfsync", options.durability))
    if options.password:
        settings.append(("requirepass", _quoted(options.password)))
    return "".join(f"{name} {value}\n" for name, value in settings)


def _quoted(value: str | Path) -> str:
    """Write a value so that spaces, quotes and line ends in it stay what they are."""
    safe = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\x{byte:02x}"
        for byte in str(value).encode("utf-8", "surrogateescape")
    )
    return f'"{safe}"'
