"""Which aliases a model may answer to: each name means one model."""

from collections.abc import Iterable, Sequence

from msgspec import structs

from parallax.contract import spec


def settle(models: Iterable[spec.ModelSpec]) -> tuple[tuple[spec.ModelSpec, ...], Sequence[str]]:
    """Return the models with those aliases that are nobody else's id or earlier alias, and a note
    on each alias that is."""
    named = tuple(models)
    taken = {model.id: model.id for model in named}
    notes: list[str] = []
    settled: list[spec.ModelSpec] = []
    for model in named:
        free: list[str] = []
        for alias in dict.fromkeys(model.aliases):
            owner = taken.setdefault(alias, model.id)
            if owner != model.id:
                notes.append(f"{model.id}: the alias {alias!r} is already taken by {owner}")
            elif alias != model.id:
                free.append(alias)
        settled.append(structs.replace(model, aliases=tuple(free)))
    return tuple(settled), notes
