"""How long a client waits, as it says itself."""

import pytest

from parallax.contract import errors
from parallax.gateway import deadlines


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [(None, 30.0), (b"2", 2.0), (b"0.25", 0.25), (b" 1e1 ", 10.0), (b"31", 30.0), (b"1e300", 30.0)],
)
def test_the_least_of_both_counts(sent: bytes | None, seconds: float) -> None:
    assert deadlines.patience(_scope(sent), 30.0) == seconds


@pytest.mark.parametrize(
    "sent", [b"", b"0", b"-1", b"soon", b"nan", b"inf", b"1s", b"\xff", b"1,2"]
)
def test_what_is_no_time_is_refused_by_name(sent: bytes) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        deadlines.patience(_scope(sent), 30.0)

    assert caught.value.location == ("header", "x-request-timeout")


def _scope(sent: bytes | None) -> dict[str, object]:
    return {"headers": [] if sent is None else [(b"x-request-timeout", sent)]}
