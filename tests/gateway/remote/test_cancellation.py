"""A fetch that is cancelled wherever it waits gives its turn back and closes its connection."""

import pytest

from parallax.gateway import budget
from tests.gateway.remote import servers
from tests.support import interrupted, wait

STRAIGHT = (servers.reply(),)
REDIRECTED = (servers.redirect("/there"), servers.reply())


@pytest.mark.parametrize("answers", [STRAIGHT, REDIRECTED], ids=["straight", "redirected"])
async def test_a_fetch(answers: tuple[bytes, ...]) -> None:
    account, one, places = budget.Budget(10_000_000), servers.fetcher(at_once=2), 0
    async with servers.running(*answers) as site:

        async def fetch() -> None:
            site.heads.clear()
            with account.exchange():
                assert await one.fetch(site.url(), 1000.0) == servers.PICTURE

        async for _ in interrupted.everywhere(fetch):
            places += 1
            assert (one._waiting, one._room._value, account.held) == (0, 2, 0)
            await wait.wait_until_async(lambda: not site._open, "the connections are closed")
    assert places > len(answers)
