"""Tables for people.

The shapes of streams and models belong to the server, so columns come from what it sends; a new
figure there needs no change here.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box, console, table, text

from parallax.cli import model_facts
from parallax.contract import roster, spec
from parallax.observe import printable

_PIPED_WIDTH = 160


def print_status(status: Mapping[str, Any]) -> None:
    """Print what a server says of itself."""
    out = _console()
    out.print(_headline(status))
    _print_notes(out, [f"{name}: {_cell(value)}" for name, value in _plain_facts(status)])
    _print_rows(out, "Processes", status["processes"])
    streams = [{"stream": name, **_row(value)} for name, value in status["streams"].items()]
    _print_rows(out, "Streams", streams)
    models = [_sized(_row(model, "id")) for model in status["models"]]
    # Reasons and paths are long; in columns they would leave no room for the rest.
    _print_rows(out, "Models", [_without(model, ("reason", "package")) for model in models])
    _print_notes(out, [_why(model) for model in models if model.get("reason")])


def _why(model: Mapping[str, Any]) -> str:
    """Return why a package's files are not served, and what is served in their stead."""
    name, reason = model.get("id") or model.get("package"), model["reason"]
    if model.get("state") != roster.State.LOADED or reason == roster.BEING_LOADED:
        return f"{name}: {reason}"
    served = f"version {model.get('version')} is served"
    return f"{name}: the files there now are refused, {served}: {reason}"


def _sized(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a model with its input's width and height as one word."""
    match row.get("input"):
        case [int() as width, int() as height]:
            return {**row, "input": f"{width}x{height}"}
        case _:
            return row


def _without(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def print_models(specs: Sequence[spec.ModelSpec], notes: Sequence[str]) -> None:
    """Print the models as a table, then the remarks on them."""
    out = _console()
    _print_rows(out, "Models", [model_facts.row(model) for model in specs])
    _print_notes(out, notes)


def print_check(specs: Sequence[spec.ModelSpec], notes: Sequence[str]) -> None:
    """Print all that is known of each model, a line per fact."""
    out = _console()
    # One table for all, so that they have one width of columns.
    grid = table.Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for model in specs:
        if grid.row_count:
            grid.add_row()
        for name, value in model_facts.all_of(model).items():
            grid.add_row(text.Text(name, style="dim"), text.Text(_cell(value)))
    if specs:
        _print(out, grid)
    if notes and len(specs) > 1:
        out.print()
    _print_notes(out, notes)


def print_letters(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print dead letters as a table."""
    _print_rows(_console(), "Dead letters", rows)


def print_facts(facts: Mapping[str, Any], trace: str) -> None:
    """Print a line per fact that is known, then a traceback."""
    out = _console()
    grid = table.Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in facts.items():
        told = _cell(_listed(value) if isinstance(value, dict | list) else value)
        if told:
            grid.add_row(text.Text(name, style="dim"), text.Text(told))
    _print(out, grid)
    if trace:
        out.print()
        _print_notes(out, [printable.shown(line) for line in trace.splitlines()])


def _listed(value: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> str:
    pairs = value.items() if isinstance(value, Mapping) else value
    return ", ".join(f"{name}={each}" for name, each in pairs)


def _console() -> console.Console:
    # Into a pipe or a log there is no width to fit; lines that are not folded are easier to grep.
    return console.Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def _print(out: console.Console, grid: table.Table) -> None:
    """Print without the blanks that fill up the last column."""
    with out.capture() as caught:
        out.print(grid)
    for line in caught.get().removesuffix("\n").split("\n"):
        out.file.write(line.rstrip(" ") + "\n")


def _print_notes(out: console.Console, notes: Sequence[str]) -> None:
    for note in notes:
        out.print(text.Text(note), soft_wrap=True)


def _headline(status: Mapping[str, Any]) -> text.Text:
    if status.get("ready", True):
        return text.Text("ready", style="bold green") if "ready" in status else text.Text("running")
    reason = status.get("reason")
    return text.Text(f"not ready: {reason}" if reason else "not ready", style="bold yellow")


def _plain_facts(status: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in status.items():
        if name not in ("ready", "reason") and isinstance(value, str | int | float):
            yield name, value


def _row(value: Any, name: str = "value") -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {name: value}


def _print_rows(out: console.Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        out.print(text.Text(f"{title}: none"))
        return
    grid = table.Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    columns = _columns(rows)
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float) for row in rows)
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(text.Text(_cell(row.get(column))) for column in columns))
    _print(out, grid)


def _columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return every key that occurs, in the order of its first occurrence."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    return printable.shown(str(value))
