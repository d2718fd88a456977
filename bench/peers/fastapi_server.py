"""FastAPI as people build a model server with it: uvicorn worker processes, each with the network
and a pool of threads for the work, so that the event loop stays free."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response

from bench.peers import arguments, work


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the network before the first request."""
    options = arguments.parse()
    app.state.network = work.Network(options.model)
    with ThreadPoolExecutor(options.threads) as app.state.pool:
        yield


async def predict(request: Request) -> Response:
    """Answer a picture."""
    state, body = request.app.state, await request.body()
    loop = asyncio.get_running_loop()
    content = await loop.run_in_executor(state.pool, state.network, body)
    return Response(content, media_type="application/json")


app = FastAPI(lifespan=lifespan)
app.add_api_route("/predict", predict, methods=["POST"])


def main() -> None:
    """Serve until a signal."""
    options = arguments.parse()
    uvicorn.run(
        "bench.peers.fastapi_server:app",
        port=options.port,
        workers=options.workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
