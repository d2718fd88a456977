"""A server that asks for a key, and its log over HTTP."""

import httpx
import pytest

from tests.support import load, wait
from tests.support import server as servers

pytestmark = pytest.mark.system


def test_a_key_opens_the_server_and_never_shows(sample: bytes) -> None:
    options = ("--cpu-workers", "1", "--access-log", "--in-memory-logs", "--log-level", "debug")
    with servers.starting(*options, env={"PARALLAX_API_KEY": "other,hush-hush"}) as server:
        wait.wait_until(lambda: servers.READY.search(server.log), "the server is ready", 60)
        match = servers.READY.search(server.log)
        assert match is not None
        url = match[1]

        refused = httpx.post(
            f"{url}/infer/object_detection", json=load.body(sample, api_key="hush-hash"), timeout=30
        )
        served = load.detect(url, sample, api_key="hush-hush")
        by_query = httpx.get(f"{url}/status?api_key=hush-hush", timeout=30)
        bearer = {"Authorization": "Bearer hush-hush"}
        logs = httpx.get(f"{url}/logs", headers=bearer, timeout=30).json()
        found = (refused.status_code, served.status_code, by_query.status_code)
        server.stop()

        assert found == (401, 200, 200)
        assert any("/infer/object_detection 401" in line["message"] for line in logs["logs"])
        assert "hush" not in server.log
        assert "hush" not in str(logs)
