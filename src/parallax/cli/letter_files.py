"""All dead letters, and how they become files: a folder for each."""

import json
from collections.abc import Iterator
from pathlib import Path

from parallax.broker import base, housekeeping, letters
from parallax.cli import letter_facts

_PAGE = 32


def all_letters(broker: base.BlockingBroker) -> Iterator[letters.Letter]:
    """Yield as many letters as there were at the start, oldest first."""
    (dead,) = broker.execute(housekeeping.Survey(())).values()
    after, left = "0-0", dead.length
    while left > 0 and (page := broker.execute(letters.Letters(after, min(_PAGE, left)))):
        yield from page
        after, left = page[-1].id, left - len(page)


def write_all(broker: base.BlockingBroker, directory: Path) -> int:
    """Write every letter into a folder of its own, for this user only; return how many.

    Raises:
        OSError: a folder or file cannot be written.
    """
    count = 0
    for letter in all_letters(broker):
        folder = directory / letter.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)  # one that was there already keeps its mode else
        facts = letter_facts.all_of(letter)
        (folder / "letter.json").write_text(json.dumps(facts, indent=2) + "\n")
        if letter.trace:
            (folder / "traceback").write_text(letter.trace, errors="backslashreplace")
        if picture := broker.execute(letters.Picture(letter.id)):
            (folder / "picture").write_bytes(picture)
        count += 1
    return count
