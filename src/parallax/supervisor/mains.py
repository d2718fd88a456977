"""The children's entry points, as the supervisor names them.

What they run is imported in the child: ONNX Runtime and the web stack would cost the supervisor,
which uses neither, half its memory, and what they read from the environment has to be set before.
"""

import socket

from parallax.contract.topology import Role
from parallax.observe import metric_files
from parallax.supervisor.api_config import ApiConfig
from parallax.workers.config import WorkerConfig


def api(end: socket.socket, config: ApiConfig, sockets: list[socket.socket]) -> None:
    """Run an api process."""
    metric_files.adopt(Role.API, config.slot)
    from parallax.supervisor import api_main  # noqa: PLC0415

    api_main.main(end, config, sockets)


def infer(end: socket.socket, config: WorkerConfig) -> None:
    """Run an inference loop."""
    metric_files.adopt(Role.INFER, config.slot)
    from parallax.workers import inference_worker  # noqa: PLC0415

    inference_worker.main(end, config)
