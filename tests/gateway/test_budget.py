"""The account of an exchange: charged from anywhere below it, settled when it ends."""

import asyncio
import contextlib

import pytest

from parallax.contract import errors
from parallax.gateway import budget


def test_what_an_exchange_was_charged_comes_back_when_it_ends() -> None:
    held = budget.Budget(10)
    with contextlib.suppress(KeyError), held.exchange() as account:
        account.charge(4)
        budget.charge(3)
        assert held.held == 7
        raise KeyError
    assert held.held == 0


def test_a_charge_over_the_limit_is_refused_and_not_counted() -> None:
    held = budget.Budget(10)
    with held.exchange():
        budget.charge(10)
        with pytest.raises(errors.OverloadedError):
            budget.charge(1)
        assert held.held == 10
    with held.exchange():
        budget.charge(10)


async def test_tasks_of_an_exchange_charge_its_account() -> None:
    held = budget.Budget(10)

    async def exchange(size: int) -> int:
        with held.exchange() as account:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.to_thread(budget.charge, size))
            return account.held

    assert list(await asyncio.gather(exchange(2), exchange(3))) == [2, 3]
    assert held.held == 0


def test_outside_of_an_exchange_there_is_nobody_to_charge() -> None:
    with pytest.raises(LookupError):
        budget.charge(1)
