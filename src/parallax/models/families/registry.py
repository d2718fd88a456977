"""Which families there are. A new head layout is one file beside this one and one row here."""

from collections.abc import Sequence

from parallax.models.families import base, yolov8, yolox

DECODED_SUFFIX = "-decoded"
"""Ends the name of the variant of a family whose exported graph decodes its boxes itself."""

FAMILIES: dict[str, base.Family] = {
    family.name: family for family in (yolov8.YoloV8(), yolox.YoloX(), yolox.YoloXDecoded())
}


def by_architecture(architecture: str) -> base.Family | None:
    """Return the family that another tool's architecture name (``yolov8n``) belongs to."""
    wanted = architecture.lower()
    for family in FAMILIES.values():
        if wanted.startswith(family.architectures):
            return family
    return None


def recognise(outputs: Sequence[base.Shape], network: tuple[int, int]) -> list[base.Family]:
    """Return the families whose head these output shapes may be, without the decoded variants."""
    return [
        family
        for family in FAMILIES.values()
        if not family.name.endswith(DECODED_SUFFIX) and family.recognise(outputs, network)
    ]
