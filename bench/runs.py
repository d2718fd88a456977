"""Runs of ``parallax bench``, for the scripts beside this one."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from parallax.bench import result

LIMIT = 900.0
"""Seconds that one run may take."""


def run(options: Sequence[str], serve: Sequence[str] = ()) -> result.Report:
    """Run ``parallax bench OPTIONS -- SERVE`` and return its report.

    Raises:
        SystemExit: it failed; what it said is on standard error.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "report.json"
        command = [sys.executable, "-m", "parallax", "bench", *options, "--json", str(file)]
        done = subprocess.run(
            [*command, "--", *serve], stdout=sys.stderr, timeout=LIMIT, check=False
        )
        if not file.exists():
            raise SystemExit(f"parallax bench failed (exit status {done.returncode})")
        return msgspec.json.decode(file.read_bytes(), type=result.Report)
