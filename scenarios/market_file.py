"""``market.toml`` in a market's folder: where it listens, so that nobody says it with every start.

What stands there are defaults of `takt up`; an option on the command line wins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field, ValidationError

from scenarios.errors import ScenarioFileError
from scenarios.scenario import located, toml_to_json
from scenarios.sections import Section

FILE_NAME = "market.toml"

_Port = Annotated[int, Field(ge=0, le=65_535)]
_Text = Annotated[str, Field(min_length=1, max_length=255)]


class ListenSection(Section):
    """Addresses and TLS; what is left out is the command's default."""

    http_host: _Text | None = None
    http_port: _Port | None = None
    nats_host: _Text | None = None
    nats_port: _Port | None = None
    tls_cert: _Text | None = None
    """Certificate (chain) for HTTP and NATS, as PEM; a path from this file's folder."""
    tls_key: _Text | None = None
    plain_text: bool | None = None


class MarketFile(Section):
    """What may stand in the file."""

    listen: ListenSection = ListenSection()


def options_of(file: Path) -> dict[str, Any]:
    """Return what a market's file says, by the names of the options of `takt up`.

    Raises
    ------
    ScenarioFileError
        If it cannot be read, holds something else, or names a file that is not there.
    """
    source = str(file)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioFileError(source, "", file.name, f"cannot be read ({error})") from error
    try:
        listen = MarketFile.model_validate_json(toml_to_json(text, source=source)).listen
    except ValidationError as error:
        raise located(source, error, text) from error
    options = listen.model_dump(exclude_none=True)
    for name in ("tls_cert", "tls_key"):
        if name in options:
            path = file.parent / options[name]
            if not path.is_file():
                raise ScenarioFileError(source, f"listen.{name}", options[name], "is no file")
            options[name] = str(path)
    return options


def with_market_file(context: click.Context, _option: click.Parameter, folder: Path) -> Path:
    """Take the defaults of a command's options from the file in its market's folder, if there is one."""
    file = folder / FILE_NAME
    if file.exists():
        try:
            context.default_map = {**(context.default_map or {}), **options_of(file)}
        except ScenarioFileError as error:
            raise click.ClickException(str(error)) from error
    return folder
