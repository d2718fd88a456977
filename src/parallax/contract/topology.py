"""The stages and the roles of processes: what there is, and what each is called."""

from enum import StrEnum


class Stage(StrEnum):
    """A step of the pipeline. The value is also the name of the stage's consumer group."""

    PRE = "pre"
    INFER = "infer"
    POST = "post"


class Role(StrEnum):
    """What a process of the tree does, as shown by ``parallax status``."""

    SUPERVISOR = "supervisor"
    BROKER = "broker"
    API = "api"
    PRE = "pre"
    INFER = "infer"
    POST = "post"


STAGE_ROLES: dict[Stage, Role] = {
    Stage.PRE: Role.PRE,
    Stage.INFER: Role.INFER,
    Stage.POST: Role.POST,
}

PREFETCH: dict[Stage, int] = {Stage.PRE: 4, Stage.POST: 8}
"""Entries a CPU worker takes at a time at most: quick ones; of slow ones it takes fewer. The
inference loop has no fixed prefetch: it holds what its next batches can take."""


def consumer_name(node: str, stage: Stage, slot: int) -> str:
    """Return the stable consumer name of a slot: a restarted slot finds its own pending entries."""
    return f"{node}:{stage.value}:{slot}"
