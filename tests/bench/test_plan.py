"""What a plan becomes of options."""

from pathlib import Path

import pytest

from parallax.bench import plan


def test_closed_loops_come_first_and_open_ones_have_a_bound() -> None:
    assert plan.loads([1, 8], [50.0]) == [
        plan.Load(1),
        plan.Load(8),
        plan.Load(plan.MOST_IN_FLIGHT, 50.0),
    ]


def test_the_command_says_all_that_was_asked_but_no_key() -> None:
    asked = plan.Plan(
        loads=plan.loads([1, 64], [2.5]),
        timing=plan.Timing(0.0, 3.0, 10.0),
        url="http://a",
        key="secret",
        images=Path("my pictures"),
        clients=4,
        shown_args=["--max-batch=4"],
    )
    assert plan.command(asked, "demo", ceiling=True) == [
        *("parallax", "bench", "--url", "http://a", "--model", "demo", "--images", "my pictures"),
        *("--api", "roboflow", "--api-key", "***", "--concurrency", "1,64", "--rate", "2.5"),
        *("--duration", "3", "--warmup", "0", "--timeout", "10", "--clients", "4", "--ceiling"),
        *("--", "--max-batch=4"),
    ]


@pytest.mark.parametrize(("cpus", "clients"), [(1, 1), (2, 1), (8, 2), (64, 8)])
def test_clients_take_few_of_the_cores(cpus: int, clients: int) -> None:
    assert plan.client_processes(cpus) == clients
