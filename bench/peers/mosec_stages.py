"""mosec with three stages: pictures become pixels, pixels candidates, and candidates an answer, in
processes of their own.

What crosses between stages is as little as can be: uint8 pixels, from which the network's process
makes its float input, and the few candidates over the threshold.
"""

import mosec

from bench.peers import arguments, work


class Prepare(mosec.Worker):  # type: ignore[misc]  # it is in another environment
    """Decodes and letterboxes."""

    def __init__(self) -> None:
        super().__init__()
        self.side = work.Network(arguments.parse().model).facts.side

    def deserialize(self, data: bytes) -> bytes:
        """Return the picture."""
        return data

    def forward(self, data: bytes) -> tuple[work.Pixels, work.Place]:
        """Do this part of the work."""
        return work.prepare(data, self.side)


class Run(mosec.Worker):  # type: ignore[misc]  # it is in another environment
    """Runs the network."""

    def __init__(self) -> None:
        super().__init__()
        self.network = work.Network(arguments.parse().model)

    def forward(self, data: tuple[work.Pixels, work.Place]) -> tuple[work.Floats, work.Place]:
        """Do this part of the work."""
        return self.network.candidates(data[0]), data[1]


class Answer(mosec.Worker):  # type: ignore[misc]  # it is in another environment
    """Suppresses, and writes the answer."""

    resp_mime_type = "application/json"

    def __init__(self) -> None:
        super().__init__()
        self.labels = work.Network(arguments.parse().model).facts.labels

    def forward(self, data: tuple[work.Floats, work.Place]) -> bytes:
        """Do this part of the work."""
        return work.answer(*data, self.labels)

    def serialize(self, data: bytes) -> bytes:
        """Return the answer; it is JSON already."""
        return data


def main() -> None:
    """Serve until a signal."""
    options = arguments.parse()
    server = mosec.Server()
    server.append_worker(Prepare, num=options.threads, route="/predict")
    server.append_worker(Run, num=options.workers, route="/predict")
    server.append_worker(Answer, num=1, route="/predict")
    server.run()


if __name__ == "__main__":
    main()
