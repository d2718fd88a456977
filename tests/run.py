"""The one door for all checks: format, lint, types, layers, known vulnerabilities, then the tests
with their coverage.

``python tests/run.py [ARGUMENTS FOR PYTEST]``. Every check runs even if one before it failed, and
the last line is pytest's own.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

CHECKS: dict[str, list[str]] = {
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "lint": [sys.executable, "-m", "ruff", "check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "layers": [str(BIN / "lint-imports"), "--no-logo"],
    "dependencies": [sys.executable, "-m", "tests.audit"],
}
COVERAGE: dict[str, list[str]] = {
    "coverage data": [sys.executable, "-m", "coverage", "combine", "--quiet"],
    "coverage": [sys.executable, "-m", "coverage", "report"],
}


def passes(name: str, command: list[str]) -> bool:
    """Run one check."""
    say(f"== {name}")
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def run_tests(arguments: list[str]) -> tuple[bool, str]:
    """Run pytest under coverage; return whether it passed, and its closing line."""
    say("== tests")
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *arguments]
    closing = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            closing = line.strip() or closing
    return child.returncode == 0, closing


def main(arguments: list[str]) -> int:
    """Run everything and return the exit code."""
    outcomes = {name: passes(name, command) for name, command in CHECKS.items()}
    subprocess.run([sys.executable, "-m", "coverage", "erase"], cwd=ROOT, check=True)
    outcomes["tests"], closing = run_tests(arguments)
    if not arguments:  # a part of the tests covers a part of the code
        outcomes |= {name: passes(name, command) for name, command in COVERAGE.items()}
    failed = [name for name, passed in outcomes.items() if not passed]
    say(f"== failed: {', '.join(failed)}" if failed else "== all checks passed")
    say(closing)
    return 1 if failed else 0


def say(line: str) -> None:
    """Write a line at once, in order with what the checks write."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
