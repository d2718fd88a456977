"""The original client is refused: by its key, by a name, by a picture, by an overload."""

import dataclasses
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import sdk, wait, zoo
from tests.support import server as servers

# The first test may have to install the client.
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

KEY = "the-right-key"
TRANSPORTS = ("legacy", "both", "header")


@pytest.fixture(scope="module")
def locked(zoo_folder: Path) -> Iterator[servers.Server]:
    """A server that demands a key."""
    options = ("--cpu-workers", "1", "--api-key", "another", "--models", str(zoo_folder))
    with servers.serve(*options, key=KEY) as running:
        yield running


def refusal(client: sdk.Client, method: str, **arguments: Any) -> sdk.RaisedError:
    """Return how a call is refused by the server."""
    with pytest.raises(sdk.RaisedError) as caught:
        client.call(method, **arguments)
    assert caught.value.raised == "HTTPCallErrorError"
    return caught.value


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("v0", [False, True])
@pytest.mark.parametrize("method", ["infer", "infer_async"])
def test_right_key_opens_however_it_travels(
    driver: sdk.Driver,
    locked: servers.Server,
    sample_path: str,
    transport: str,
    v0: bool,
    method: str,
) -> None:
    client = sdk.Client(driver, locked.url, KEY, v0, {"api_key_transport": transport})
    assert client.infer(sample_path, zoo.SCENES, method)["predictions"]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("v0", [False, True])
@pytest.mark.parametrize("method", ["infer", "infer_async"])
def test_wrong_key_is_401_however_it_travels(
    driver: sdk.Driver,
    locked: servers.Server,
    sample_path: str,
    transport: str,
    v0: bool,
    method: str,
) -> None:
    client = sdk.Client(driver, locked.url, "wrong", v0, {"api_key_transport": transport})
    problem = refusal(client, method, inference_input=sample_path, model_id=zoo.SCENES)
    assert problem.status == 401
    # What the asynchronous client repeats is the reason phrase of HTTP, and there is none.
    assert problem.message == ("Unauthorized api_key" if method == "infer" else "")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_models_are_managed_with_the_key(
    driver: sdk.Driver, locked: servers.Server, transport: str
) -> None:
    client = sdk.Client(driver, locked.url, KEY, configuration={"api_key_transport": transport})
    listed, loaded = client.calls(
        ("list_loaded_models", {}), ("load_model", {"model_id": zoo.SPARE})
    )
    assert listed == loaded
    assert refusal(dataclasses.replace(client, key=None), "list_loaded_models").status == 401


def test_client_that_leaves_the_key_out_is_refused_like_any_other(
    driver: sdk.Driver, locked: servers.Server
) -> None:
    """It has no place for the key in these two calls, unless it puts it into the header."""
    client = sdk.Client(driver, locked.url, KEY)
    header = dataclasses.replace(client, configuration={"api_key_transport": "header"})
    assert refusal(client, "unload_model", model_id=zoo.SPARE).status == 401
    assert refusal(client, "unload_all_models").status == 401
    assert header.call("unload_model", model_id=zoo.SPARE)["models"]
    assert header.call("unload_all_models")["models"] == []


def test_server_tells_who_it_is_without_a_key(driver: sdk.Driver, locked: servers.Server) -> None:
    assert sdk.Client(driver, locked.url).call("get_server_info")["name"]


@pytest.mark.parametrize(
    ("model", "v0", "status"),
    [
        ("nobody/7", False, 404),
        ("nobody/7", True, 404),
        ("nobody", False, 404),
        ("a/b/c", False, 400),
        ("../etc", False, 400),
        ("a/", False, 400),
    ],
)
@pytest.mark.parametrize("method", ["infer", "infer_async"])
def test_wrong_model_is_named_in_the_refusal(
    client: sdk.Client, sample_path: str, model: str, v0: bool, status: int, method: str
) -> None:
    asking = dataclasses.replace(client, key="any", v0=v0)
    problem = refusal(asking, method, inference_input=sample_path, model_id=model)
    assert problem.status == status
    if method == "infer":
        assert (model if status == 404 else "Invalid Model ID") in problem.message


@pytest.mark.parametrize("v0", [False, True])
@pytest.mark.parametrize("text", ["bm90IGEgcGljdHVyZQ==", "not base64 !", "...."])
def test_text_that_is_no_picture_is_400_with_the_cause(
    client: sdk.Client, text: str, v0: bool
) -> None:
    asking = dataclasses.replace(client, key="any", v0=v0)
    problem = refusal(asking, "infer", inference_input=text, model_id=zoo.BOXES)
    assert problem.status == 400
    assert problem.message.startswith("Could not load input image. Cause: ")


@pytest.mark.parametrize("v0", [False, True])
@pytest.mark.parametrize("wish", [{"response_mask_format": "png"}, {"stroke_width": "thick"}])
def test_wish_that_is_none_is_422(
    client: sdk.Client, sample_path: str, wish: dict[str, str], v0: bool
) -> None:
    asking = dataclasses.replace(client, key="any", v0=v0, configuration=wish)
    problem = refusal(asking, "infer", inference_input=sample_path, model_id=zoo.SEGMENTS)
    assert problem.status == 422


@pytest.mark.parametrize("method", ["infer", "infer_async"])
@pytest.mark.parametrize("v0", [False, True])
def test_what_an_overloaded_server_refuses_succeeds_at_the_clients_next_attempt(
    driver: sdk.Driver, small: servers.Server, sample_path: str, method: str, v0: bool
) -> None:
    burst = {"max_concurrent_requests": 4}
    client = sdk.Client(driver, small.url, "any", v0, burst)
    before, answers = refused(small), []

    def send() -> None:
        answers.extend(client.infer([sample_path] * 4, zoo.SCENES, method))

    infer = small.kill("infer", number=signal.SIGSTOP)
    sending = threading.Thread(target=send)
    sending.start()
    try:
        wait.wait_until(lambda: refused(small) >= before + 2, "two are refused", 20.0)
    finally:
        servers.signal_if_alive(infer, signal.SIGCONT)
        sending.join()
    assert len(answers) == 4
    assert all(answer["predictions"] for answer in answers)


@pytest.fixture(scope="module")
def small(zoo_folder: Path) -> Iterator[servers.Server]:
    """A server with room for two pictures."""
    options = ("--cpu-workers", "1", "--max-in-flight", "2")
    with servers.serve(*options, "--models", str(zoo_folder)) as running:
        yield running


def refused(server: servers.Server) -> float:
    """Return how many requests the server has refused because it was full."""
    lines = server.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith('parallax_requests_total{code="overloaded"')]
    return float(found[0].rpartition(" ")[2]) if found else 0.0
