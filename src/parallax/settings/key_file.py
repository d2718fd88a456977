"""The keys that clients may send: those of ``--api-key``, and the file that ``--api-keys-file``
names.

Only digests leave this module. What it says of a mistake names the file and the entry, and never
repeats a key.
"""

import hashlib
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from parallax.contract import errors
from parallax.settings import concerns, file, forms

_TABLE = "key"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Limit = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One ``[[key]]`` of the file."""

    name: Name
    key: str | None = None
    sha256: str | None = None
    models: list[str] | None = None
    max_concurrent: Limit | None = None
    admin: bool | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of one key."""

    name: str
    digest: bytes = field(repr=False)
    """SHA-256."""
    models: frozenset[str] | None = None
    """Ids or aliases of the models that it may use; None: of all."""
    max_concurrent: int = 0
    """Pictures it may have in flight in each api process; 0: as many as the server takes."""
    admin: bool = True
    """Whether it may unload models and see the server's state."""


def digest(key: str) -> bytes:
    """Return what is kept of a key: its SHA-256."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def collect(http: concerns.HttpSettings) -> tuple[Key, ...]:
    """Return all keys that are let in; reads the file, if there is one.

    Raises:
        SettingsError: it cannot be read or used; a line for each thing that is wrong.
    """
    given = _given(http)
    if http.api_keys_file is None:
        return given
    path = Path(http.api_keys_file)
    found = (*given, *_read(path, http.key_concurrency))
    twice = [*_repeated(found)]
    if twice:
        raise errors.SettingsError("\n".join(f"{path}: {line}" for line in twice))
    return found


def remarks(http: concerns.HttpSettings) -> Iterator[str]:
    """Yield what stops nothing and should still be mended."""
    if http.api_keys_file is None:
        return
    path = Path(http.api_keys_file)
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield f"{path}: everybody on this machine may read or write it; mend that by chmod o-rw"


def _given(http: concerns.HttpSettings) -> tuple[Key, ...]:
    # A key that is given twice is one key.
    return tuple(
        Key(f"key-{number}", digest(key), max_concurrent=http.key_concurrency)
        for number, key in enumerate(dict.fromkeys(http.api_keys), start=1)
    )


def _read(path: Path, max_concurrent: int) -> list[Key]:
    # A pipe would keep the reader waiting, and give its content only once.
    try:
        there = path.is_file()
    except OSError as problem:
        raise errors.SettingsError(f"{path}: cannot be read: {problem.strerror}") from problem
    if not there:
        raise errors.SettingsError(f"{path}: there is no such file")
    content = file.read(path)
    tables = content.pop(_TABLE, [])
    problems = [f"{name} is not known; a file of keys has [[{_TABLE}]] only" for name in content]
    entries: list[Entry] = []
    if not isinstance(tables, list):
        problems.append(f"{_TABLE} is a list of tables: write [[{_TABLE}]]")
    else:
        for number, table in enumerate(tables, start=1):
            try:
                entries.append(_entry(table))
            except ValueError as problem:
                problems.append(f"{_label(number, table)}: {problem}")
    if not entries and not problems:
        problems.append(f"there is no [[{_TABLE}]] in it, so nobody could be let in")
    if problems:
        raise errors.SettingsError("\n".join(f"{path}: {line}" for line in problems))
    return [_key(entry, max_concurrent) for entry in entries]


def _label(number: int, table: Any) -> str:
    name = table.get("name") if isinstance(table, dict) else None
    named = isinstance(name, str) and name.isprintable()
    return f"[[{_TABLE}]] {number}" + (f" ({name})" if named else "")


def _entry(table: object) -> Entry:
    entry = msgspec.convert(table, Entry)
    if (entry.key is None) == (entry.sha256 is None):
        raise ValueError("needs either key or sha256, and not both")
    if entry.sha256 is not None and not _DIGEST.fullmatch(entry.sha256):
        raise ValueError("sha256: 64 hex digits")
    form = forms.FORMS["api-key"]
    if entry.key is not None and not form.matches(entry.key):
        raise ValueError(f"key is not {form.allowed}")
    return entry


def _key(entry: Entry, max_concurrent: int) -> Key:
    return Key(
        name=entry.name,
        digest=bytes.fromhex(entry.sha256) if entry.sha256 else digest(entry.key or ""),
        models=None if entry.models is None else frozenset(entry.models),
        max_concurrent=max_concurrent if entry.max_concurrent is None else entry.max_concurrent,
        admin=entry.models is None if entry.admin is None else entry.admin,
    )


def _repeated(keys: Iterable[Key]) -> Iterator[str]:
    names: set[str] = set()
    owners: dict[bytes, str] = {}
    for key in keys:
        if key.name in names:
            yield f"two keys are called {key.name}"
        names.add(key.name)
        owner = owners.setdefault(key.digest, key.name)
        if owner != key.name:
            yield f"{owner} and {key.name} are the same key"
