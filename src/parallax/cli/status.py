"""``parallax status``: one request to a running server, shown for a person or as JSON."""

import json
import sys
from pathlib import Path

import click

from parallax.cli import arguments, failures
from parallax.settings import load, sources


@click.command()
@click.option("--url", metavar="URL", help="Address of the server.  [default: from the settings]")
@click.option("--json", "as_json", is_flag=True, help="Print what the server answers, as JSON.")
@arguments.config_option
def command(url: str | None, as_json: bool, config_path: Path | None) -> None:
    """Show the processes, streams and models of a running server.

    Exits with 1 if no server answers; one that is not ready yet is shown as such.
    """
    from parallax.cli import report, status_client

    with failures.reported():
        # The settings' key is for the settings' server, and for no other.
        key = certificate = None
        ours = url is None
        if url is None:
            http = load.read({}, sources.environment(), config_path).settings.http
            certificate = http.tls_cert
            scheme = "http" if certificate is None else "https"
            url = status_client.local_url(http.host, http.port, scheme)
            key = next(iter(http.api_keys), None)
        status = status_client.fetch(url, key, certificate, ours=ours)
    if as_json:
        click.echo(json.dumps(status))
        sys.exit(0)
    report.print_status(status)
