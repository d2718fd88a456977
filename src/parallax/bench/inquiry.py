"""Small questions to the server, beside the load, with the standard library alone."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib import parse

from parallax.bench import failures
from parallax.contract import tasks

_TIMEOUT = 10.0
_PRODUCT = "parallax"
_MODELS = "/model/registry"


@dataclass(frozen=True, slots=True)
class Model:
    """A model as a server lists it."""

    id: str
    aliases: frozenset[str] = frozenset()
    task: str = tasks.OBJECT_DETECTION

    @property
    def names(self) -> frozenset[str]:
        """All that it is called; its metrics bear one of them."""
        return self.aliases | {self.id}


class Server:
    """A server and the key it wants. What it does not answer is None."""

    def __init__(self, url: str, key: str | None, timeout: float = _TIMEOUT) -> None:
        self._timeout = timeout
        self._url = url.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> bytes | None:
        """Return the body of a 200; None for anything else."""
        try:
            return self._ask(path)
        except (OSError, http.client.HTTPException):
            return None

    def _ask(self, path: str) -> bytes:
        # Proxies are for the world outside.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(self._url + path, headers=self._headers)
        try:
            with opener.open(request, timeout=self._timeout) as response:
                body: bytes = response.read()
        except urllib.error.HTTPError as refusal:
            refusal.close()
            raise
        return body

    def json(self, path: str) -> dict[str, Any]:
        """Return a JSON object; an empty one for anything else."""
        try:
            found = json.loads(self.get(path) or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def is_parallax(self) -> bool:
        """Say whether its figures can be read."""
        return self.json("/info").get("name") == _PRODUCT

    def first_model(self) -> str:
        """Return the id of the first model that it serves.

        Raises:
            BenchError: it does not say.
        """
        for model in self._models():
            return model.id
        raise failures.BenchError(f"{self._url} {self._why()}")

    def check_trust(self) -> None:
        """Make sure that its certificate, if it has one, is no obstacle.

        Raises:
            BenchError: it is not trusted.
        """
        try:
            self._ask(_MODELS)
        except (OSError, http.client.HTTPException) as problem:
            if isinstance(_cause(problem), ssl.SSLCertVerificationError):
                raise failures.BenchError(f"{self._url} {_explained(problem)}") from problem

    def _why(self) -> str:
        """Return why it does not say which models it serves."""
        try:
            self._ask(_MODELS)
        except (OSError, http.client.HTTPException) as problem:
            return _explained(problem)
        return "does not say which models it serves; name one with --model"

    def model(self, name: str) -> Model:
        """Return what it says of a model; of one that it does not list, its name alone."""
        return next((model for model in self._models() if name in model.names), Model(name))

    def _models(self) -> Iterator[Model]:
        for row in _rows(self.json(_MODELS), "models"):
            if isinstance(row.get("model_id"), str):
                aliases, task = row.get("request_aliases"), row.get("task_type")
                yield Model(
                    row["model_id"],
                    frozenset(map(str, aliases)) if isinstance(aliases, list) else frozenset(),
                    task if isinstance(task, str) else tasks.OBJECT_DETECTION,
                )

    def input_of(self, model: str) -> tuple[str, int]:
        """Return name and number of dimensions of a model's first input, as KServe V2 tells."""
        facts = self.json(f"/v2/models/{parse.quote(model, safe='')}")
        for tensor in _rows(facts, "inputs"):
            return str(tensor.get("name", "image")), max(1, len(tensor.get("shape") or ()))
        return "image", 1

    def roles(self) -> dict[int, str]:
        """Return what each process of a parallax does, by pid."""
        return {
            row["pid"]: str(row["role"])
            for row in _rows(self.json("/status"), "processes")
            if isinstance(row.get("pid"), int) and row["pid"] > 0 and "role" in row
        }


def _rows(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = found.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _cause(problem: Exception) -> object:
    return getattr(problem, "reason", None) or problem


def _explained(problem: Exception) -> str:
    """Return what came instead of an answer, and what to do about it."""
    cause = _cause(problem)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"shows a certificate that is not trusted ({cause.verify_message}): set SSL_CERT_FILE "
            "to the PEM file of its authority"
        )
    if not isinstance(problem, urllib.error.HTTPError):
        return f"does not answer ({cause}); check --url"
    if problem.code == http.client.UNAUTHORIZED:
        return "does not let us in (401): name one of its API keys with --api-key"
    return (
        f"does not say which models it serves ({problem.code} {problem.reason}); check --url and "
        "--api-key, or name a model with --model"
    )
