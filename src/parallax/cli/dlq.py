"""``parallax dlq``: the requests that were given up, and what to do with them.

It talks to the broker and not to a server: dead letters hold pictures of clients, which no API key
shall open.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from parallax.broker import base, client, keys, letters
from parallax.cli import arguments, failures, letter_facts, letter_files, replay, report
from parallax.contract import errors
from parallax.observe import printable
from parallax.settings import fields, load, sources
from parallax.supervisor import embedded

_FIELDS = tuple(fields.BY_KEY[key] for key in ("broker.redis_url", "broker.namespace"))
_STREAM_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


Given = dict[str, Any]


def _letter_id(value: str) -> str:
    """Return the id if it is one, before it reaches the broker."""
    if _STREAM_ID.fullmatch(value) and all(int(part) < 1 << 64 for part in value.split("-")):
        return value
    raise click.BadParameter(f"{value!r} is not like 1763856000000-0")


@click.group()
def command() -> None:
    """List, inspect, replay or drop the requests that were given up.

    A request becomes a dead letter when too many workers died over it or when a model raised on it;
    an entry of a stream does when nobody can read it.
    """


def _on_broker(decorated: click.Command) -> click.Command:
    """Give a command the options that say which broker it is for."""
    arguments.config_option(decorated)
    click.option(
        "--run",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Run directory of a server with an embedded broker.  [default: the one that runs]",
    )(decorated)
    return arguments.settings_options(_FIELDS)(decorated)


@contextlib.contextmanager
def _connected(given: Given) -> Iterator[base.BlockingBroker]:
    """Give a client of the broker, and report what fails."""
    config_path, run = given.pop("config_path"), given.pop("run")
    with failures.reported():
        wanted = load.read(given, sources.environment(), config_path).settings.broker
        url = embedded.choose(wanted.redis_url, run)
        broker = client.connect_blocking(url, keys.Keys(wanted.namespace, "dlq"))
        try:
            yield broker
        except OSError as problem:  # of a file that was to be written
            raise errors.StartupError(str(problem)) from problem
        finally:
            broker.close()


@_on_broker
@command.command(name="ls")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each.")
def list_letters(as_json: bool, **given: Any) -> None:
    """List the dead letters, oldest first."""
    with _connected(given) as broker:
        found = list(letter_files.all_letters(broker))
    if as_json:
        for letter in found:
            click.echo(json.dumps(letter_facts.all_of(letter)))
        return
    now = datetime.now(UTC)
    report.print_letters([letter_facts.row(letter, now) for letter in found])


@_on_broker
@command.command(name="show")
@click.argument("letter", type=_letter_id, metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--picture", type=click.Path(path_type=Path), metavar="FILE", help="Write the picture to FILE."
)
def show_letter(letter: str, as_json: bool, picture: Path | None, **given: Any) -> None:
    """Show all that is known of dead letter ID."""
    with _connected(given) as broker:
        found = _find(broker, letter)
        if picture is not None:
            content = broker.execute(letters.Picture(letter))
            if not content:
                raise errors.StartupError(f"the picture of {letter} is not kept")
            picture.write_bytes(content)
    facts = letter_facts.all_of(found)
    if as_json:
        click.echo(json.dumps(facts))
        return
    trace = facts.pop("traceback")
    report.print_facts(facts, trace)


@_on_broker
@command.command(name="replay")
@click.argument("letter", type=_letter_id, metavar="ID")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 300),
    default=30.0,
    metavar="S",
    show_default=True,
    help="Seconds to wait for the answer.",
)
@click.option("--keep", is_flag=True, help="Keep the letter although it was answered.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the answer to FILE."
)
def replay_letter(letter: str, timeout: float, keep: bool, out: Path | None, **given: Any) -> None:
    """Run dead letter ID again and print the answer.

    It runs on the server as it is now. The client has had its error and gets nothing more. The
    letter is dropped if it is answered now; if it fails again it stays as it is, and the exit code
    is 1.
    """
    with _connected(given) as broker:
        found = _find(broker, letter)
        if out is None and letter_facts.wants_picture(found):
            raise errors.SettingsError(f"{letter} asks for a picture: --out FILE says where to")
        try:
            answer = replay.answer_to(broker, found, timeout)
        except errors.ParallaxError as failure:
            failures.report([printable.shown(f"{failure.code}: {failure.message}")])
            sys.exit(failures.EXIT_FAILED)
        if out is None:
            click.echo(json.dumps(json.loads(answer)))
        else:
            out.write_bytes(answer)
        if not keep:
            broker.execute(letters.Discard((letter,)))


@_on_broker
@command.command(name="drop")
@click.argument("chosen", type=_letter_id, metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Drop all that are there now.")
def drop_letters(chosen: tuple[str, ...], everything: bool, **given: Any) -> None:
    """Drop dead letters and their pictures for good."""
    if bool(chosen) == everything:
        raise click.UsageError("Give the ids of letters, or --all.")
    with _connected(given) as broker:
        if everything:
            chosen = tuple(letter.id for letter in letter_files.all_letters(broker))
        wanted = tuple(dict.fromkeys(chosen))
        count = broker.execute(letters.Discard(wanted))
        click.echo(f"{count} dropped")
        if count < len(wanted) and not everything:
            raise errors.StartupError(f"{len(wanted) - count} of these were not there")


@_on_broker
@command.command(name="export")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
def export_letters(directory: Path, **given: Any) -> None:
    """Write all dead letters into DIR.

    Each gets a folder, readable by you alone, with letter.json, picture and traceback.
    """
    with _connected(given) as broker:
        count = letter_files.write_all(broker, directory)
    click.echo(f"{count} written to {directory}")


def _find(broker: base.BlockingBroker, letter: str) -> letters.Letter:
    found = broker.execute(letters.Find(letter))
    if found is None:
        raise errors.StartupError(f"there is no dead letter {letter}")
    return found
