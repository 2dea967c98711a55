"""``takt part``: a customer's catalogue, shown and added to over HTTP. Knows no more than any client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO
from urllib.parse import quote

import click

from gateway.connection import API_KEY, URL, Connection, as_click_errors, connect, read_json
from gateway.errors import OrderCommandError

_SECOND_US = 1_000_000


@click.group("part")
@URL
@API_KEY
@click.pass_context
def part(context: click.Context, url: str | None, api_key: str | None) -> None:
    """Show the parts of your catalogue and put parts into it. `takt up` prints URL and key."""
    connect(context, url, api_key)


@part.command()
@click.argument("part_id", metavar="ID", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as `takt part put` reads it.")
@click.pass_obj
def show(connection: Connection, /, *, part_id: str | None, as_json: bool) -> None:
    """Show the process plan of part ID, or list all of yours."""
    with as_click_errors():
        if part_id is None:
            _list(connection, as_json=as_json)
            return
        shown = connection.request("GET", _path(part_id))
    if as_json:
        click.echo(json.dumps({name: shown[name] for name in ("name", "plan", "documents")}, indent=2))
        return
    for line in _lines(shown):
        click.echo(line)


@part.command()
@click.argument("part_id", metavar="ID")
@click.argument("file", type=click.File("r", encoding="utf-8"), required=False)
@click.option("--name", help="What people call it; ID if left out.")
@click.option("--process", help="Process of its only operation, where no FILE is given.")
@click.option("--material", help="Material of that operation.")
@click.option("--run-s", type=click.IntRange(0, 10**9), default=0, help="Its run time a piece, seconds.")
@click.pass_obj
def put(
    connection: Connection,
    /,
    *,
    part_id: str,
    file: TextIO | None,
    name: str | None,
    process: str | None,
    material: str | None,
    run_s: int,
) -> None:
    """Put part ID into your catalogue, in place of an earlier one.

    FILE is JSON that holds its plan (- reads the standard input); without it, flags make one operation.
    """
    with as_click_errors():
        body = _body(file, process, material, run_s)
        if name is not None or "name" not in body:
            body["name"] = name or part_id
        answer = connection.request("PUT", _path(part_id), json=body)
    click.echo(
        f"part {answer['id']} is in your catalogue, in the market's log at position {answer['position']}"
    )
    click.echo(f"order it: takt order submit --part {answer['id']} …")


def _path(part_id: str) -> str:
    return f"/v1/parts/{quote(part_id, safe='/:')}"


def _body(file: TextIO | None, process: str | None, material: str | None, run_s: int) -> dict[str, Any]:
    given = None if file is None else read_json(file)
    if isinstance(given, dict) and process is None and material is None:
        return given if "plan" in given or "lots" not in given else {"plan": given}
    if file is not None or process is None or material is None:
        raise OrderCommandError(
            "give a file that holds a part (or its plan) as a JSON object, or --process and --material"
        )
    lot = {
        "id": "make",
        "kind": "operation",
        "requirement": {"process": process, "material": material},
        "run_time_us": run_s * _SECOND_US,
    }
    return {"plan": {"lots": [lot]}}


def _list(connection: Connection, *, as_json: bool) -> None:
    parts: list[dict[str, Any]] = []
    path = "/v1/parts"
    while path:
        page = connection.request("GET", path)
        parts += page["parts"]
        path = page["next"]
    if as_json:
        click.echo(json.dumps(parts, indent=2))
        return
    for item in parts:
        click.echo(f"{item['id']:<24}{item['name']:<32}{' → '.join(item['lots'])}")
    if not parts:
        click.echo("no parts; `takt part put` makes one")


def _lines(item: dict[str, Any]) -> Iterator[str]:
    yield f"part {item['id']}: {item['name']}"
    into: dict[str, list[str]] = {}
    for arc in item["plan"]["arcs"]:
        into.setdefault(arc["target"], []).append(arc["source"])
    for lot in item["plan"]["lots"]:
        needs = lot["requirement"]
        pieces = f"{lot['quantity_per_piece']} a piece" if lot["quantity_per_piece"] != 1 else ""
        run = f"{lot['run_time_us'] / _SECOND_US:g} s" if lot["run_time_us"] else ""
        exact = f"within {needs['tolerance_um']} µm" if needs["tolerance_um"] else ""
        of = f"of {', '.join(into[lot['id']])}" if lot["id"] in into else ""
        more = ", ".join(text for text in (pieces, run, exact, *needs["certificates"], of) if text)
        what = f"{lot['kind']:<11}{needs['process']} in {needs['material']}"
        yield f"  {lot['id']:<16}{what:<48}{more}".rstrip()
