"""What a plan becomes of options."""

import pytest

from parallax.bench import plan


def test_closed_loops_come_first_and_open_ones_have_a_bound() -> None:
    assert plan.loads([1, 8], [50.0]) == [
        plan.Load(1),
        plan.Load(8),
        plan.Load(plan.MOST_IN_FLIGHT, 50.0),
    ]


@pytest.mark.parametrize(("cpus", "clients"), [(1, 1), (2, 1), (8, 2), (64, 8)])
def test_clients_take_few_of_the_cores(cpus: int, clients: int) -> None:
    assert plan.client_processes(cpus) == clients
