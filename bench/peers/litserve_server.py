"""LitServe: http processes, and worker processes that take requests from a queue."""

from typing import Annotated

import litserve
from fastapi import Depends, Request, Response

from bench.peers import arguments, work


async def raw(request: Request) -> bytes:
    """Return the body as it came; LitServe itself reads JSON and forms only."""
    body: bytes = await request.body()
    return body


class Detection(litserve.LitAPI):  # type: ignore[misc]  # it is in another environment
    """The whole work is done in the workers."""

    def setup(self, device: str) -> None:
        """Load the network."""
        self.network = work.Network(arguments.parse().model)

    def decode_request(self, request: Annotated[bytes, Depends(raw)]) -> bytes:
        """Return the picture."""
        return request

    def predict(self, x: bytes) -> bytes:
        """Do the work."""
        return self.network(x)

    def encode_response(self, output: bytes) -> Response:
        """Return the answer; it is JSON already."""
        return Response(output, media_type="application/json")


def main() -> None:
    """Serve until a signal."""
    options = arguments.parse()
    server = litserve.LitServer(
        Detection(),
        accelerator="cpu",
        workers_per_device=options.workers,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=options.port,
        num_api_servers=options.threads,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
