"""Fetching from servers that lie, stall, never end or lead elsewhere."""

import asyncio
import functools
import gzip
import socket
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from parallax.contract import errors
from parallax.gateway import budget
from parallax.gateway.remote import fetch
from parallax.settings import concerns
from tests.gateway.remote import servers
from tests.support import wait


async def test_a_picture_is_fetched() -> None:
    async with servers.running(servers.reply()) as site:
        assert await servers.get(servers.fetcher(), site.url("/a?b=%2f")) == servers.PICTURE
    (head,) = site.heads
    assert head.startswith("GET /a?b=%2f HTTP/1.1\r\n")
    assert f"Host: {servers.HOST}:{site.port}\r\n" in head


def test_it_works_on_the_event_loop_of_the_api_process() -> None:
    async def main() -> bytes:
        async with servers.running(servers.reply()) as site:
            picture = await servers.get(servers.fetcher(), site.url())
            await asyncio.wait_for(site.closed.wait(), 5)
            return picture

    assert uvloop.run(main()) == servers.PICTURE


async def test_nothing_but_the_question_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    cookie = servers.reply(b"", "302 Found", Location="/b", Set_Cookie="a=b")
    async with servers.running(cookie, servers.reply()) as site:
        await servers.get(servers.fetcher(), site.url())
    usual = {"host", "accept", "accept-encoding", "user-agent", "connection"}
    for head in site.heads:
        assert {line.partition(":")[0].lower() for line in head.split("\r\n")[1:-2]} <= usual


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_with_the_options_for_it_an_address_is_fetched_from(host: str) -> None:
    rules = replace(servers.RULES, without_fqdn=True, reachable=lambda address: True)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
    async with servers.running(servers.reply(), at=host) as site:
        url = site.url(host=f"[{host}]" if ":" in host else host)
        assert await servers.get(servers.fetcher(rules), url) == servers.PICTURE


async def test_a_picture_that_says_it_is_not_packed_is_fetched() -> None:
    async with servers.running(servers.reply(Content_Encoding="Identity")) as site:
        assert await servers.get(servers.fetcher(), site.url()) == servers.PICTURE


async def test_a_picture_without_a_declared_length_ends_with_the_connection() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + servers.PICTURE)
        writer.write_eof()

    async with servers.running(answer) as site:
        assert await servers.get(servers.fetcher(), site.url()) == servers.PICTURE


# --- lookups -------------------------------------------------------------------------------------


async def test_a_name_that_turns_private_is_refused_from_then_on() -> None:
    names = servers.Names(turning=[[servers.HERE], [servers.ELSEWHERE]])
    one = servers.fetcher(lookup=names)
    async with servers.running(servers.reply()) as site:
        url = site.url(host="turning.example.com")
        assert await servers.get(one, url) == servers.PICTURE
        # The one lookup was vetted and connected to: there was no second one to lie to.
        assert names.asked == ["turning.example.com"]
        cause = await servers.refusal(one, url)
    assert "turning.example.com has an address that is not global" in cause
    assert "127" not in cause
    assert len(site.heads) == 1


async def test_a_name_with_one_private_address_is_not_connected_to_at_all() -> None:
    names = servers.Names(mixed=[[servers.HERE, servers.ELSEWHERE]])
    async with servers.running(servers.reply()) as site:
        cause = await servers.refusal(
            servers.fetcher(lookup=names), site.url(host="mixed.example.com")
        )
    assert "not global" in cause
    assert site.heads == []


async def test_an_unknown_name_is_said_to_be_unknown() -> None:
    cause = await servers.refusal(servers.fetcher(), "http://unknown.example.com/?secret")
    assert "unknown.example.com cannot be resolved" in cause
    assert "secret" not in cause


async def test_a_name_without_addresses_is_as_good_as_unknown() -> None:
    one = servers.fetcher(lookup=servers.Names(empty=[[]]))
    assert "cannot be resolved" in await servers.refusal(one, "http://empty.example.com/")


async def test_a_url_that_breaks_a_rule_is_not_even_looked_up() -> None:
    names = servers.Names()
    await servers.refusal(servers.fetcher(lookup=names), f"ftp://{servers.HOST}/")
    assert names.asked == []


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
async def test_a_redirect_is_followed(status: str) -> None:
    async with servers.running(servers.redirect("../c?d", status), servers.reply()) as site:
        assert await servers.get(servers.fetcher(), site.url("/a/b")) == servers.PICTURE
    assert site.heads[1].startswith("GET /c?d HTTP/1.1")


async def test_a_redirect_to_a_private_address_is_refused_unvisited() -> None:
    async with servers.running(servers.reply(), at=servers.ELSEWHERE) as inner:
        lure = servers.redirect(inner.url(host="inner.example.com"))
        async with servers.running(lure) as site:
            cause = await servers.refusal(servers.fetcher(), site.url())
    assert "inner.example.com has an address that is not global" in cause
    assert inner.heads == []


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("http://127.0.0.1/", "URL without FQDN"),
        ("//127.0.0.1/", "URL without FQDN"),
        ("http://169.254.169.254/latest/meta-data/", "URL without FQDN"),
        ("http://localhost/", "URL without FQDN"),
        ("http://[::ffff:127.0.0.1]/", "URL without FQDN"),
        (f"http://{servers.HOST}@127.0.0.1/", "malformed"),
        ("http://a.com\\@127.0.0.1/", "malformed"),
        ("http://[", "malformed"),
        ("file:///etc/passwd", "neither"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "neither"),
        ("http://blocked.example.com/", "blocked.example.com"),
    ],
)
async def test_a_redirect_is_judged_like_the_first_url(to: str, why: str) -> None:
    rules = replace(servers.RULES, block=frozenset({"blocked.example.com"}))
    async with servers.running(servers.redirect(to)) as site:
        assert why in await servers.refusal(servers.fetcher(rules), site.url())


@pytest.mark.parametrize("most", [0, 1, 3])
async def test_a_loop_of_redirects_ends(most: int) -> None:
    async with servers.running(servers.redirect("/")) as site:
        cause = await servers.refusal(servers.fetcher(redirects=most), site.url())
    assert f"more than {most} redirects" in cause
    assert len(site.heads) == most + 1


async def test_the_body_of_a_redirect_is_not_read() -> None:
    lure = servers.reply(b"x" * 100, "302 Found", Location="/b", Content_Length="100000000000")
    async with servers.running(lure, servers.reply()) as site:
        assert await servers.get(servers.fetcher(), site.url()) == servers.PICTURE


async def test_a_redirect_that_leads_nowhere_is_no_picture() -> None:
    async with servers.running(servers.reply(b"", "302 Found")) as site:
        assert "status 302" in await servers.refusal(servers.fetcher(), site.url())


# --- answers -------------------------------------------------------------------------------------


async def endless(head: bytes, piece: bytes, _: Any, writer: asyncio.StreamWriter) -> None:
    writer.write(head)
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)  # drain alone does not let the client run


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        servers.reply(b"x" * 1001),
        servers.reply(b"x", Content_Length="1001"),
        servers.reply(b"x", Content_Length="100000000000000000"),
        functools.partial(endless, OK + b"\r\n", b"x" * 100),
        functools.partial(endless, CHUNKED, b"64\r\n" + b"x" * 100 + b"\r\n"),
        functools.partial(endless, CHUNKED, b"1\r\nx\r\n"),
    ],
)
async def test_a_picture_over_the_limit_is_refused(answer: bytes | servers.Answer) -> None:
    async with servers.running(answer) as site:
        cause = await servers.refusal(servers.fetcher(largest=1000), site.url("/?secret"))
        await asyncio.wait_for(site.closed.wait(), 5)
    assert f"{servers.HOST} is larger than the limit of 1000 bytes" in cause
    assert "secret" not in cause


async def test_a_picture_of_just_the_limit_is_fetched() -> None:
    async with servers.running(servers.reply(b"x" * 1000)) as site:
        assert await servers.get(servers.fetcher(largest=1000), site.url()) == b"x" * 1000


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip", "x"])
async def test_a_packed_picture_is_refused_packed(coding: str) -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)
    async with servers.running(servers.reply(bomb, Content_Encoding=coding)) as site:
        cause = await servers.refusal(servers.fetcher(largest=10_000), site.url())
    assert "packed" in cause


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (servers.reply(b"", "404 Not Found"), "status 404"),
        (servers.reply(servers.PICTURE, "206 Partial"), "status 206"),
        (servers.reply(b"", "304 Not Modified"), "status 304"),
        (servers.reply(b"", "500 Oops"), "status 500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (OK + b"X: " + b"y" * 100_000, "not HTTP"),
    ],
)
async def test_an_answer_without_a_picture_is_refused(answer: bytes, why: str) -> None:
    async with servers.running(answer) as site:
        assert why in await servers.refusal(servers.fetcher(), site.url())


async def test_headers_without_end_are_refused() -> None:
    async with servers.running(functools.partial(endless, OK, b"X: y\r\n" * 100)) as site:
        assert "not HTTP" in await servers.refusal(servers.fetcher(), site.url())


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        OK,
        servers.reply(b"x" * 10, Content_Length="11"),
        CHUNKED + b"5\r\nabc",
        CHUNKED + b"5\r\nabcde\r\n",
    ],
)
async def test_a_picture_that_breaks_off_is_refused(sent: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.write_eof()

    async with servers.running(answer) as site:
        assert "broke off" in await servers.refusal(servers.fetcher(), site.url())


async def test_a_port_that_nobody_listens_on_is_refused() -> None:
    async with servers.running() as site:
        url = site.url()
    cause = await servers.refusal(servers.fetcher(), url)
    assert f"{servers.HOST} cannot be connected to" in cause
    assert servers.HERE not in cause


# --- time and memory -----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", OK, servers.reply(b"x", Content_Length="10"), CHUNKED])
async def test_a_server_that_stalls_is_given_up(sent: bytes) -> None:
    async with servers.running(sent) as site:
        cause = await servers.refusal(servers.fetcher(seconds=0.1), site.url("/?secret"))
        await asyncio.wait_for(site.closed.wait(), 5)
    assert f"{servers.HOST} did not send the picture within 0.1 s" in cause


async def stalled(_: str) -> list[str]:
    await asyncio.Event().wait()
    return []


async def test_a_lookup_that_stalls_is_given_up() -> None:
    cause = await servers.refusal(servers.fetcher(lookup=stalled, seconds=0.1), "http://a.com/")
    assert "a.com did not send the picture within 0.1 s" in cause


@pytest.mark.parametrize("until", [-1.0, 0.0, 0.05])
async def test_the_deadline_of_the_request_comes_first(until: float) -> None:
    with pytest.raises(errors.DeadlineExceededError):
        await servers.get(servers.fetcher(lookup=stalled), "http://a.com/", until)


async def test_a_bounded_number_is_fetched_and_a_bounded_number_waits() -> None:
    one = servers.fetcher(at_once=2, waiting=1)
    async with servers.running(b"") as site, asyncio.TaskGroup() as group:
        tasks = [group.create_task(servers.get(one, site.url())) for _ in range(3)]
        await wait.wait_until_async(lambda: len(site.heads) == 2, "two fetches")
        with pytest.raises(errors.OverloadedError):
            await servers.get(one, site.url())
        assert len(site.heads) == 2
        tasks[0].cancel()
        await wait.wait_until_async(lambda: len(site.heads) == 3, "the third fetch")
        for task in tasks:
            task.cancel()


async def test_a_wait_for_ones_turn_ends_with_the_deadline() -> None:
    one = servers.fetcher(at_once=1)
    async with servers.running(b"") as site, asyncio.TaskGroup() as group:
        first = group.create_task(servers.get(one, site.url()))
        await wait.wait_until_async(lambda: site.heads, "a fetch")
        with pytest.raises(errors.DeadlineExceededError):
            await servers.get(one, site.url(), until=0.05)
        first.cancel()
    async with servers.running(servers.reply()) as site:
        assert await servers.get(one, site.url()) == servers.PICTURE


async def test_what_was_fetched_is_charged_until_the_exchange_ends() -> None:
    held = budget.Budget(1500)
    one = servers.fetcher()
    async with servers.running(servers.reply(b"x" * 1000)) as site:
        with held.exchange():
            await one.fetch(site.url(), 10.0)
            assert held.held == 1000
            with pytest.raises(errors.OverloadedError):
                await one.fetch(site.url(), 10.0)
        assert held.held == 0


async def test_an_abandoned_fetch_closes_its_connection() -> None:
    async with servers.running(b"") as site, asyncio.TaskGroup() as group:
        task = group.create_task(servers.get(servers.fetcher(), site.url()))
        await wait.wait_until_async(lambda: site.heads, "a fetch")
        task.cancel()
        await asyncio.wait_for(site.closed.wait(), 5)


async def test_the_options_make_a_strict_fetcher() -> None:
    one = fetch.make(concerns.Settings())
    assert "non https:// URL" in await servers.refusal(one, "http://example.com/")
    assert "URL without FQDN" in await servers.refusal(one, "https://localhost/")
