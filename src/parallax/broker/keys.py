"""Every key that parallax writes in the broker, in one place.

All keys carry one hash tag, so that the scripts, which touch several keys at once, also run on a
cluster. Only ``pre`` is shared by all nodes: what follows it refers to a node's shared memory.
"""

from dataclasses import dataclass

from parallax.contract.topology import Stage


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names of one deployment (``namespace``) as seen from one machine (``node``)."""

    namespace: str
    node: str

    @property
    def tag(self) -> str:
        """The common prefix, with the cluster hash tag."""
        return "{" + self.namespace + "}"

    @property
    def pre(self) -> str:
        """Stream of accepted requests. Its entries are also the records of requests in flight."""
        return f"{self.tag}:pre"

    def infer(self, model: str) -> str:
        """Stream of tensors of one model on this node."""
        return f"{self.tag}:infer:{self.node}:{model}"

    @property
    def post(self) -> str:
        """Stream of network outputs on this node."""
        return f"{self.tag}:post:{self.node}"

    @property
    def dead(self) -> str:
        """Dead-letter stream, capped."""
        return f"{self.tag}:dead"

    @property
    def dead_pictures(self) -> str:
        """Hash of the pictures of dead letters by letter id, capped."""
        return f"{self.tag}:dead-pictures"

    def replies(self, api: str) -> str:
        """Reply stream of one incarnation of an api process; expires when its beat stops."""
        return f"{self.tag}:replies:{api}"

    def mailbox(self, api: str) -> str:
        """Lease of an api process: while it exists, replies are delivered."""
        return f"{self.tag}:api:{api}"

    def lease(self, consumer: str) -> str:
        """Lease of a consumer, renewed together with the idle time of its pending entries."""
        return f"{self.tag}:lease:{consumer}"

    def cancelled(self, request: str) -> str:
        """Mark of a request whose client has gone; expires when no deadline can be further off."""
        return f"{self.tag}:cancelled:{request}"

    def moved(self, record: str) -> str:
        """The id under which a requeued record is found now; expires by itself."""
        return f"{self.tag}:moved:{record}"

    def lock(self, name: str) -> str:
        """A lock with a TTL, such as the sweeper's."""
        return f"{self.tag}:lock:{name}"

    def streams(self, models: tuple[str, ...]) -> dict[str, Stage]:
        """All work streams of this node with the stage (= consumer group) that reads each."""
        return {
            self.pre: Stage.PRE,
            **{self.infer(model): Stage.INFER for model in models},
            self.post: Stage.POST,
        }
