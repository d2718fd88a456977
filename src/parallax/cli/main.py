"""The ``parallax`` command: names the subcommands and loads only the one that is called.

``parallax --help`` must answer at once, so nothing of the server is imported here.
"""

import importlib

import click

from parallax import version

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("parallax.cli.serve", "Serve models over HTTP."),
    "status": (
        "parallax.cli.status",
        "Show the processes, streams and models of a running server.",
    ),
    "models": ("parallax.cli.models", "List or check the models of a directory."),
    "dlq": (
        "parallax.cli.dlq",
        "List, inspect, replay or drop the requests that were given up.",
    ),
    "bench": ("parallax.cli.bench", "Measure how fast a server is, and what that costs."),
    "chaos": ("parallax.cli.chaos", "Kill parts of a server under load; account for all requests."),
}
"""Module and one-line help by name; the module holds a command called ``command``."""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is asked for by name, and not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the help of the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version.VERSION, prog_name="parallax")
def main() -> None:
    """Serve ONNX vision models fast on every core and GPU of this machine."""
