"""Errors that cross process lines as a code and a message."""

import pytest

from parallax.contract import errors


@pytest.mark.parametrize(
    "kind", [errors.BadImageError, errors.PoisonedError, errors.OverloadedError]
)
def test_an_error_is_rebuilt_from_its_code(kind: type[errors.ParallaxError]) -> None:
    rebuilt = errors.from_code(kind.code, "what happened")
    assert type(rebuilt) is kind
    assert rebuilt.message == "what happened"


def test_an_unknown_code_is_an_internal_error() -> None:
    assert type(errors.from_code("from the future", "x")) is errors.InternalError
