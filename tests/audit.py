"""Asks whether what the server needs at run time has known vulnerabilities.

``python -m tests.audit``. Fails if one has; where nobody can be asked it says so and passes, for a
machine without the internet is no fault of the code. Valkey itself, which a wheel carries, is in no
list of Python's; its releases have to be watched.
"""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging import version

from tests.support import distributions

ORIGINALS = {"pillow-simd": "pillow", "onnxruntime-gpu": "onnxruntime"}
"""Builds of a project under another name; what is known is known of the original."""
PATIENCE = 120
_UNASKED = "NOT AUDITED"


def main() -> int:
    """Audit, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text("\n".join(pins()), encoding="utf-8")
        options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", *options]
        try:
            done = subprocess.run(
                [*command, "--requirement", str(path)],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            sys.stdout.write(f"{_UNASKED}: no answer within {PATIENCE} s\n")
            return 0
    good, told = verdict(done.stdout, done.stderr)
    sys.stdout.write(f"{told}\n")
    return 0 if good else 1


def pins() -> list[str]:
    """Return all that is installed for the server, one ``name==version`` each."""
    found = []
    for name in sorted(distributions.closure(distributions.PROJECT["dependencies"])):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(f"{name}=={installed}")
        if name in ORIGINALS:
            found.append(f"{ORIGINALS[name]}=={version.Version(installed).base_version}")
    return found


def verdict(output: str, complaint: str) -> tuple[bool, str]:
    """Return whether all is well as far as is known, and what to say, from what pip-audit wrote."""
    try:
        rows = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        cause = complaint.strip().rpartition("\n")[2] or "pip-audit said nothing"
        return True, f"{_UNASKED}: {cause}"
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    known = [(row, each) for row in rows for each in row.get("vulns", ())]
    lines = [
        f"{row['name']} {row['version']}: {each['id']}, mended in {each['fix_versions']}"
        for row, each in known
    ]
    lines += [f"{_UNASKED}: {', '.join(skipped)}"] if skipped else []
    return not known, "\n".join([*lines, f"{len(rows)} packages, {len(known)} vulnerabilities"])


if __name__ == "__main__":
    sys.exit(main())
