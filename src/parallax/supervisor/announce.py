"""The lines that a person sees at the start: one per thing, in the order in which things come
up."""

import shlex
import sys
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from parallax.contract import spec
from parallax.contract.topology import Role


class Announcer:
    """Writes ``name   text`` lines to standard error, with the time since the start where it
    matters."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def line(self, name: str, text: str) -> None:
        """Write one line."""
        sys.stderr.write(f"{name:<9} {text}\n")
        sys.stderr.flush()

    def models(self, specs: Sequence[spec.ModelSpec], notes: Sequence[str]) -> None:
        """Write one line per model."""
        for model in specs:
            size = f"{model.input.width}x{model.input.height}"
            batch = model.batch.fixed_size or f"up to {model.batch.max_size}"
            graph = "fused" if model.fused else "plain"
            self.line(
                "model",
                f"{model.id}: {model.task}, {model.family}, {size}, {len(model.labels)} classes,"
                f" batch {batch}, {graph} graph",
            )
        for note in notes:
            self.line("", note)

    def group(self, role: Role, detail: str, pids: Sequence[int]) -> None:
        """Write that all processes of a role are ready."""
        count = f"{len(pids)} process{'es' if len(pids) > 1 else ''}"
        shown = ", ".join(map(str, pids[:4])) + (", ..." if len(pids) > 4 else "")
        self.line(role.value, f"{count} (pid {shown}){': ' + detail if detail else ''}")

    def ready(self, address: str, models: Sequence[spec.ModelSpec]) -> None:
        """Write the address and a command that works as pasted."""
        self.line("ready", f"{address} after {time.monotonic() - self._started:.1f} s")
        if models:
            with resources.as_file(resources.files("parallax.demo") / "sample.jpg") as sample:
                self.line("try", try_it(address, models[0].id, sample))


def url(host: str, port: int, *, tls: bool = False) -> str:
    """Return the address to show: one that works from this machine."""
    scheme = "https" if tls else "http"
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def try_it(address: str, model: str, sample: Path) -> str:
    """Return a shell command that sends the sample picture to a model of any task."""
    name = str(sample)
    if any(each in name for each in ',;"\\'):
        # curl ends a name at these, unless it is in quotes of its own.
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"curl -s {shlex.quote(f'{address}/{model}')} -F {shlex.quote(f'file=@{name}')}"
