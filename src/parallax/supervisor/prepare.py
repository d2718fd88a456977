"""Reads the model packages in a process of its own.

Parsing files that others made takes tens of megabytes and may crash; neither shall happen to the
supervisor. The process ends when the catalog is known.
"""

from concurrent.futures.process import BrokenProcessPool

from parallax.contract import errors, spec
from parallax.settings import concerns
from parallax.supervisor import child as children

TIMEOUT = 600.0
"""Seconds that reading and preparing all models may take."""


async def read(settings: concerns.Settings) -> spec.Catalog:
    """Return what is served.

    Raises:
        StartupError: a package cannot be served; the message names each one and why.
    """
    try:
        found = await children.call(_prepare, settings, patience=TIMEOUT)
    except BrokenProcessPool as problem:
        raise errors.StartupError(
            f"reading the models in {', '.join(settings.models.models)} crashed"
        ) from problem
    except TimeoutError as problem:
        raise errors.StartupError(f"reading the models took over {TIMEOUT:.0f} s") from problem
    if found.refused:
        raise errors.StartupError("\n".join(f"{path}: {reason}" for path, reason in found.refused))
    return found


def _prepare(settings: concerns.Settings) -> spec.Catalog:
    # Imported here, in the short-lived process: onnx must be in no process that stays.
    from parallax.models import catalog  # noqa: PLC0415

    return catalog.from_settings(settings)
