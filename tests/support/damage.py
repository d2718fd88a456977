"""Damage to files and to JSON, of the kinds that clients, networks and attackers do. All of it
follows from the generator of random numbers that is handed in.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import orjson

Json: TypeAlias = Any

TEXTS = (
    "",
    " ",
    "\0",
    "none",
    "NaN",
    "1e999",
    "-1",
    "true",
    "../..",
    "💥" * 40,
    "a" * 5000,
    "'\"<",
)
NUMBERS = ("-1", "0", "1", "0.5", "1e308", "-1e308", "1e999", "9" * 400, "1e-999", "2147483648")
OTHERS = ("null", "true", "false", "[]", "{}", "[null]", '{"type":"base64"}', '"\\ud800"', "NaN")
"""JSON values, and what some writers take for JSON."""

_LITERALS = (*NUMBERS, *OTHERS, *(orjson.dumps(text).decode() for text in TEXTS))
_HOLE = "\ue000hole\ue000"
_HEADER = 120
"""Bytes at the start of a file, where decoders trip."""


def file(data: bytes, donors: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a file cut short, with flipped bits, or with a piece of another file in it."""
    return chance.choice((_cut, _flipped, _flipped, _spliced))(data, donors, chance)


def json(value: Json, chance: random.Random) -> bytes:
    """Return a JSON value as text, damaged in one to three places."""
    damaged = value
    for _ in range(chance.randint(1, 3)):
        damaged = _edited(damaged, chance)
    text = orjson.dumps(damaged).decode()
    while orjson.dumps(_HOLE).decode() in text:
        text = text.replace(orjson.dumps(_HOLE).decode(), chance.choice(_LITERALS), 1)
    content = text.encode("utf-8", "surrogatepass")
    return chance.choice(_BREAKS)(content, chance)


def _cut(data: bytes, donors: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _flipped(data: bytes, donors: Sequence[bytes], chance: random.Random) -> bytes:
    damaged = bytearray(data)
    reach = chance.choice((len(data), min(len(data), _HEADER)))
    for _ in range(chance.randint(1, 6)):
        damaged[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _spliced(data: bytes, donors: Sequence[bytes], chance: random.Random) -> bytes:
    donor = chance.choice(donors)
    start, end = sorted(chance.randrange(min(len(data), len(donor))) for _ in range(2))
    return data[:start] + donor[start:end] + data[end:]


def _edited(value: Json, chance: random.Random) -> Json:
    """Replace, drop, double or rename something anywhere in a value."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        match chance.randrange(6):
            case 0:
                return {name: each for name, each in value.items() if name != key}
            case 1:
                return {**value, chance.choice((key.upper(), key + "s", "")): value[key]}
            case _:
                return {**value, key: _edited(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], _edited(value[place], chance), *value[place + 1 :]]
    wrapped = chance.random()
    if wrapped < 0.1:
        return [value] * chance.choice((1, 2, 100))
    return {"value": value} if wrapped < 0.15 else _HOLE


def _whole(content: bytes, chance: random.Random) -> bytes:
    return content


def _truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _not_utf8(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return (
        content[:place] + chance.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80")) + content[place:]
    )


def _nested(content: bytes, chance: random.Random) -> bytes:
    depth = chance.choice((50, 1000, 20_000))
    opened, closed = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return opened * depth + content + closed * chance.choice((depth, depth - 1, 0))


def _doubled(content: bytes, chance: random.Random) -> bytes:
    """Give every key of the outer object twice."""
    inner = content.removeprefix(b"{").removesuffix(b"}")
    return b"{" + inner + b"," + inner + b"}"


def _odd(content: bytes, chance: random.Random) -> bytes:
    other = chance.choice(("utf-16", "utf-32", "utf-8-sig"))
    return content.decode("utf-8", "replace").encode(other)


def _nested_inside(content: bytes, chance: random.Random) -> bytes:
    return content.replace(b":", b":" + b"[" * chance.choice((10, 5000)), 1)


_BREAKS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_whole,) * 6,
    _truncated,
    _not_utf8,
    _nested,
    _doubled,
    _odd,
    _nested_inside,
)
