"""Bodies and queries of any content: understood, or refused by an error that has a status."""

import asyncio
import contextlib
import random
from typing import Any

import hypothesis
import msgspec
from hypothesis import strategies as st

from parallax.contract import errors
from parallax.gateway import queries
from parallax.gateway.roboflow import kinds, multipart, parsing, pictures, query
from tests.gateway import support
from tests.support import damage, fuzz_cases

DECODERS = [msgspec.json.Decoder(kind.call, strict=False) for kind in kinds.BY_TASK.values()]
MODEL = support.model()


def understand(decoder: msgspec.json.Decoder[Any], body: bytes) -> None:
    call = parsing.parse(decoder, body)
    for field in parsing.images(call, 4):
        pictures.from_field(field)
    call.params(MODEL)
    call.options()


@hypothesis.settings(max_examples=300)
@hypothesis.given(seed=st.integers(0, 1 << 64), which=st.integers(0, len(DECODERS) - 1))
def test_a_damaged_body(seed: int, which: int) -> None:
    chance = random.Random(seed)
    (shot,) = fuzz_cases.bodies(1, chance)
    for body in (shot.content, damage.file(shot.content or b" ", [b'{"image":[{"type":'], chance)):
        with contextlib.suppress(errors.ParallaxError):
            understand(DECODERS[which], body)


@hypothesis.given(body=st.binary(max_size=60), which=st.integers(0, len(DECODERS) - 1))
def test_any_body(body: bytes, which: int) -> None:
    with contextlib.suppress(errors.ParallaxError):
        understand(DECODERS[which], body)
    for kind in ("base64", "numpy", "url", "file", "odd"):
        with contextlib.suppress(errors.ParallaxError):
            pictures.from_body(kind, body)


@hypothesis.settings(max_examples=300)
@hypothesis.given(
    text=st.lists(
        st.sampled_from(sorted(query.Query.__struct_fields__))
        | st.sampled_from(
            (*damage.NUMBERS, "=", "&", "%", "%zz", "%ff", ";", "best", "url", "true")
        )
        | st.text(max_size=5),
        max_size=8,
    ).map("=".join),
    joins=st.sampled_from(("=", "&", "=&")),
)
def test_any_query(text: str, joins: str) -> None:
    with contextlib.suppress(errors.ParallaxError):
        asked = queries.parse(query.Query, text.replace("==", joins).encode())
        for kind in kinds.BY_TASK.values():
            with contextlib.suppress(errors.ParallaxError):
                asked.call(kind, "fish/1").params(MODEL)
        asked.drawing()


@hypothesis.settings(max_examples=300)
@hypothesis.given(seed=st.integers(0, 1 << 64), media=st.binary(max_size=30))
def test_a_damaged_form(seed: int, media: bytes) -> None:
    chance = random.Random(seed)
    body = damage.file(fuzz_cases.multipart(b"picture"), [b"\r\n--b0undary\r\n\r\n" * 9], chance)
    for said in ("multipart/form-data; boundary=b0undary", media.decode("latin-1")):
        with contextlib.suppress(errors.ParallaxError):
            asyncio.run(multipart.picture(said, body))
