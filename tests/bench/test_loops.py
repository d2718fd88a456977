"""Both loops against a server that answers, refuses, breaks, delays or talks nonsense."""

import asyncio
import time

import numpy as np

from parallax.aio import tasks
from parallax.bench import loops, plan, tally, targets
from tests.support import small_http

CLOSED = plan.Load(2)
SIZE = (64, 48)


def order(url: str, load: plan.Load, timing: plan.Timing) -> tally.Order:
    at = targets.address(url)
    request = targets.request(targets.Asked(at, "raw", "demo"), b"\xff\xd8picture")
    return tally.Order(at, "raw", [request, request], [SIZE, SIZE], load, timing, 1)


async def outcome(
    url: str,
    load: plan.Load = CLOSED,
    duration: float = 0.3,
    patience: float = 5.0,
    warmup: float = 0.0,
) -> tally.Outcome:
    asked = order(url, load, plan.Timing(warmup, duration, patience))
    kept, crew = tally.Tally(asked), tasks.Crew()
    way = loops.Closed if load.rate is None else loops.Open
    load_loop: loops.Loop = way(asked, kept, crew)
    load_loop.begin(time.monotonic())
    await crew.race({load_loop.finished})
    await crew.close()
    return kept.outcome(0.0)


def latencies(found: tally.Outcome) -> list[float]:
    return [float(each) for each in np.frombuffer(found.latencies)]


async def test_connections_are_kept_and_reused() -> None:
    async with small_http.serving(lambda _: small_http.response()) as small:
        found = await outcome(small.url)
    assert small.connections == 2
    assert found.sent == len(latencies(found)) > 10
    assert not found.errors


async def test_an_answer_in_pieces_is_whole() -> None:
    chunked = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % byte for byte in small_http.RIGHT)
        + b"0\r\n\r\n"
    )
    async with small_http.serving(lambda _: chunked) as small:
        found = await outcome(small.url, duration=0.1)
    assert latencies(found)
    assert not found.errors


async def test_errors_are_told_apart_by_kind() -> None:
    answers = {
        0: small_http.response(),
        1: small_http.response(b'{"message":"full"}', "503 Service Unavailable"),
        2: small_http.response(b'{"predictions":[]}'),
        3: b"nonsense\r\n\r\n",
        4: None,
    }
    async with small_http.serving(lambda index: answers[index % 5]) as small:
        found = await outcome(small.url, plan.Load(1), duration=0.5)
    assert set(found.errors) == {"503", "malformed", "connection"}
    assert found.reasons["503"] == "full"
    assert found.sent == len(latencies(found)) + sum(found.errors.values())


async def test_a_server_that_closes_after_each_answer_makes_no_errors() -> None:
    closing = small_http.response(more="Connection: close\r\n")
    async with small_http.serving(lambda _: closing) as small:
        found = await outcome(small.url, plan.Load(1), duration=0.2)
    assert small.connections > 1
    assert not found.errors


async def test_nobody_there_is_an_error_of_the_connection() -> None:
    async with small_http.serving(lambda _: None) as small:
        url = small.url
    found = await outcome(url, duration=0.1)
    assert set(found.errors) == {"connection"}
    assert found.sent == found.errors["connection"]
    assert "failed" in found.reasons["connection"]


async def test_no_answer_in_time_is_a_timeout_even_after_the_end_of_the_phase() -> None:
    async with small_http.serving(lambda _: small_http.response(), delay=30.0) as small:
        found = await outcome(small.url, duration=0.05, patience=0.2)
    assert found.errors == {"timeout": 2}


async def test_what_ends_before_the_warm_up_is_over_does_not_count() -> None:
    async with small_http.serving(lambda _: small_http.response()) as small:
        found = await outcome(small.url, warmup=0.2, duration=0.1)
    assert 0 < found.sent < len(small.requests)


async def test_the_last_moment_is_that_of_an_answer_and_not_of_an_error() -> None:
    async with small_http.serving(lambda _: small_http.response(), delay=30.0) as small:
        found = await outcome(small.url, duration=0.05, patience=0.1)
    assert found.errors
    assert found.last == 0.0


async def test_an_open_loop_asks_at_its_rate_whatever_the_server_does() -> None:
    async with small_http.serving(lambda _: small_http.response(), delay=0.5) as small:
        found = await outcome(small.url, plan.Load(64, 40.0), duration=0.5, patience=0.6)
    assert found.sent > 8  # 20 on average; one connection after the other would have sent 1
    assert found.errors["timeout"] > 0


async def test_latency_of_an_open_loop_counts_from_when_a_request_should_have_left() -> None:
    async with small_http.serving(lambda _: small_http.response(), delay=0.05) as small:
        found = await outcome(small.url, plan.Load(1, 60.0), duration=0.5, patience=30.0)
    # One connection answers 20 a second, so the last of about 30 waits for those before it; each
    # alone took 50 ms.
    assert small.connections == 1
    assert max(latencies(found)) > 0.05 * found.sent - 0.5
    assert found.held > 0
    assert found.late < found.sent


async def test_what_has_waited_too_long_for_a_connection_is_not_sent_any_more() -> None:
    async with small_http.serving(lambda _: small_http.response(), delay=30.0) as small:
        found = await outcome(small.url, plan.Load(1, 100.0), duration=0.2, patience=0.3)
        sent = len(small.requests)
    assert found.errors == {"timeout": found.sent}
    assert sent < found.sent


async def test_the_first_of_two_answers_to_one_request_is_the_answer() -> None:
    twice = small_http.response() * 2
    async with small_http.serving(lambda _: twice) as small:
        found = await asyncio.wait_for(outcome(small.url, plan.Load(1), duration=0.1), 5)
    assert latencies(found)
