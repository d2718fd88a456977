"""Makes the environments of the peers: ``python -m bench.peers.setup FOLDER [fastapi ...]``."""

import argparse
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
NAMES = sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def python(folder: Path, name: str) -> Path:
    """Return the interpreter of an environment."""
    return folder / name / "bin" / "python"


def make(folder: Path, name: str) -> None:
    """Make one environment with the versions that are pinned for it."""
    venv.create(folder / name, with_pip=True)
    pip: list[str | Path] = [python(folder, name), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-r", REQUIREMENTS / f"{name}.txt"], check=True)


def main() -> None:
    """Make all, or the named ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="name")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            sys.exit(f"{name}: not one of {', '.join(NAMES)}")
        make(options.folder, name)
        print(python(options.folder, name))


if __name__ == "__main__":
    main()
