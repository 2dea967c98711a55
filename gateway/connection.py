"""A customer's commands and their gateway: one connection, and errors in words for their user."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click
import httpx

from gateway.errors import OrderCommandError, StrictJsonError
from gateway.strict_json import parse

_TIMEOUT_S = 30.0

URL = click.option("--url", envvar="TAKT_URL", help="URL of the gateway [TAKT_URL].")
API_KEY = click.option("--api-key", envvar="TAKT_API_KEY", help="A customer's key [TAKT_API_KEY].")


class Connection:
    """A gateway and the key that speaks to it."""

    def __init__(self, url: str, api_key: str) -> None:
        if not api_key.isascii() or not api_key.isprintable():
            raise OrderCommandError("the API key holds characters that no key has")
        try:
            self._client = httpx.Client(
                base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=_TIMEOUT_S
            )
        except httpx.InvalidURL as error:
            raise OrderCommandError(f"{url} is not a URL: {error}") from error

    def request(self, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401  JSON is any value
        """Return the JSON of a successful answer."""
        try:
            response = self._client.request(method, path, **content)
        except httpx.HTTPError as error:
            raise OrderCommandError(
                f"{self._client.base_url} gave no answer ({error}); repeat the command, it is safe"
            ) from error
        return _content(response)

    @contextmanager
    def follow(self, path: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """Open an event stream and yield its (name, data) pairs."""
        try:
            with self._client.stream("GET", path, timeout=httpx.Timeout(_TIMEOUT_S, read=60.0)) as response:
                if response.is_error:
                    response.read()
                    _content(response)
                yield _events(response.iter_lines())
        except httpx.HTTPError as error:
            raise OrderCommandError(f"the stream broke: {error}") from error


def _content(response: httpx.Response) -> Any:  # noqa: ANN401  JSON is any value
    try:
        content = response.json()
    except ValueError:
        raise OrderCommandError(f"{response.url} answered {response.status_code} without JSON") from None
    if response.is_success:
        return content
    lines = [f"{content.get('title', 'refused')} ({response.status_code})", str(content.get("detail", ""))]
    errors = content.get("errors") or [content]
    lines.extend(
        f"  {error['field']} was {error['value'] or 'missing'}" for error in errors if "field" in error
    )
    raise OrderCommandError("\n".join(line for line in lines if line))


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def connect(context: click.Context, url: str | None, api_key: str | None) -> None:
    """Give the subcommands of a group their connection; their help needs none."""
    if {"--help"} & set(sys.argv):
        return
    for option, value in (("--url", url), ("--api-key", api_key)):
        if value is None:
            raise click.UsageError(f"Missing option '{option}'.", context)
    with as_click_errors():
        context.obj = Connection(str(url), str(api_key))


def read_json(file: TextIO) -> object:
    """Return the JSON value of a file, read as strictly as the gateway reads."""
    try:
        return parse(file.read().encode("utf-8", "surrogatepass"))
    except StrictJsonError as error:
        raise OrderCommandError(f"{file.name}: {error}") from error


@contextmanager
def as_click_errors() -> Iterator[None]:
    """Let a command end with what went wrong."""
    try:
        yield
    except OrderCommandError as error:
        raise click.ClickException(str(error)) from error
