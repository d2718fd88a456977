"""A server that does not start."""

import pytest

from parallax.bench import failures, server


def test_a_server_that_does_not_start_is_told_with_its_words() -> None:
    with (
        pytest.raises(
            failures.BenchError, match=r"(?s)ended before it was ready:\n.*no-such-option"
        ),
        server.started(["--no-such-option"], lambda: None),
    ):
        pytest.fail("it is not running")
