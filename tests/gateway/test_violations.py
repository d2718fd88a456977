"""What a client reads of a value of the wrong type."""

import msgspec
import pytest

from parallax.gateway import problems
from parallax.gateway.roboflow import kinds, parsing

ROUTES = {kind.path.rpartition("/")[2]: kind for kind in kinds.ALL}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'{"model_id":"m","image":"abc"}',
            'an object {"type", "value"} or a list of them is expected',
        ),
        (b'{"model_id":"m","image":[3]}', 'an object {"type", "value"} is expected'),
        (
            b'{"model_id":"m","image":[],"confidence":"high"}',
            'a number, "default" or "best" is expected',
        ),
        (b'{"model_id":3,"image":[]}', "Expected `str`, got `int`"),
    ],
)
def test_fields_that_everyone_meets_are_told_in_words(body: bytes, message: str) -> None:
    refusal = _refusal("object_detection", body)
    assert (refusal.message, refusal.kind) == (message, "type_error")


def test_keypoints_have_no_best() -> None:
    body = b'{"model_id":"m","image":[],"confidence":"best"}'
    assert _refusal("keypoints_detection", body).message == 'a number or "default" is expected'


def _refusal(route: str, body: bytes) -> problems.InvalidBodyError:
    with pytest.raises(problems.InvalidBodyError) as caught:
        parsing.parse(msgspec.json.Decoder(ROUTES[route].call, strict=False), body)
    return caught.value
