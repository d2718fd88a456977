"""What is refused before the parser sees it. The whole table is in ``test_exchange``."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.gateway.edge import framing

HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nX-Note: a\tb \xe4\r\nContent-Length: 3\r\n\r\n"
LIMIT = 1000


def test_an_ordinary_head_is_parsed() -> None:
    assert framing.objection_to_head(HEAD, LIMIT) is None


def test_what_follows_the_head_is_not_looked_at() -> None:
    assert framing.objection_to_head(HEAD + b"\0\n\r\n content-length: 1, 2\n", LIMIT) is None


@given(st.integers(0, len(HEAD) - 1))
def test_a_head_that_has_not_come_whole_is_waited_for(end: int) -> None:
    assert framing.objection_to_head(HEAD[:end], LIMIT) is None


def test_a_head_over_the_limit_is_refused() -> None:
    assert framing.objection_to_head(HEAD, len(HEAD) - 1) == framing.HEADERS_TOO_LARGE


@given(st.integers(0, len(HEAD) - 5), st.sampled_from([b"\0", b"\n", b"\r", b"\x7f", b"\r\n "]))
def test_one_suspicious_byte_anywhere_is_refused(position: int, byte: bytes) -> None:
    raw = HEAD[:position] + byte + HEAD[position:]
    if framing.objection_to_head(raw, LIMIT) is None:
        # Only where the byte completed or began a proper line end.
        assert b"\r\n\r\n" in raw[: position + 4] or (
            byte == b"\n" and HEAD[position - 1 : position] == b"\r"
        )


@pytest.mark.parametrize(
    ("received", "verdict"),
    [
        (b"3\r\nabc", True),
        (b"\r\n3\r\nabc", True),
        (b"3;x=y\r\n", True),
        (b"0\r\n\r\nGET", True),
        (b"000\r\n\r\n", True),
        (b"", None),
        (b"\r", None),
        (b"\r\n", None),
        (b"3", None),
        (b"3\r", None),
        (b"0\r\n", None),
        (b"0\r\n\r", None),
        (b"0\r\n\n", False),
        (b"0\r\nX: y\r\n\r\n", False),
        (b"3\n", False),
        (b"\n", False),
        (b"3;a\nb\r\n", False),
        (b"0x3\r\n", False),
        (b"3 \r\n", False),
        (b"-3\r\n", False),
        (b"1" * 16 + b"\r\n", False),
        (b"1;" + b"x" * 5000, False),
    ],
)
def test_the_border_of_two_chunks(received: bytes, verdict: bool | None) -> None:
    assert framing.last_chunk_is_whole(received) is verdict


@given(st.binary(max_size=12) | st.text("0123af;\r\n", max_size=12).map(str.encode))
def test_what_is_let_through_at_a_border_is_a_chunk_for_the_parser_too(received: bytes) -> None:
    if not framing.last_chunk_is_whole(received) or received.startswith(b"\r\n"):
        return
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + received
    )
    parser.next_event()
    assert parser.next_event() is h11.NEED_DATA or parser.their_state in (h11.SEND_BODY, h11.DONE)


@pytest.mark.parametrize("status", [400, 408, 431, 501, 503, 505, 418])
def test_a_refusal_is_a_whole_answer(status: int) -> None:
    head, _, body = framing.refusal(status).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert f"Content-Length: {len(body)}".encode() in head


def test_an_answer_can_be_made_the_last() -> None:
    assert framing.closing(b"HTTP/1.1 503 No\r\nA: b\r\n\r\nc\r\n\r\n") == (
        b"HTTP/1.1 503 No\r\nA: b\r\nConnection: close\r\n\r\nc\r\n\r\n"
    )
