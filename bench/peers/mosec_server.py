"""mosec with one stage: its Rust front hands each picture to one of the worker processes."""

import mosec

from bench.peers import arguments, work


class Detection(mosec.Worker):  # type: ignore[misc]  # it is in another environment
    """The whole work in one process."""

    resp_mime_type = "application/json"

    def __init__(self) -> None:
        super().__init__()
        self.network = work.Network(arguments.parse().model)

    def deserialize(self, data: bytes) -> bytes:
        """Return the picture."""
        return data

    def forward(self, data: bytes) -> bytes:
        """Do the work."""
        return self.network(data)

    def serialize(self, data: bytes) -> bytes:
        """Return the answer; it is JSON already."""
        return data


def main() -> None:
    """Serve until a signal."""
    server = mosec.Server()
    server.append_worker(Detection, num=arguments.parse().workers, route="/predict")
    server.run()


if __name__ == "__main__":
    main()
