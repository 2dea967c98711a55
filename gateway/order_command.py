"""``takt order``: send an order and see what became of it, over HTTP. Knows no more than any client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import click
import httpx

from gateway.connection import API_KEY, URL, Connection, as_click_errors, connect, read_json
from gateway.errors import OrderCommandError
from gateway.strict_json import printable

_FIELDS = (
    "part_id",
    "quantity",
    "destination",
    "release",
    "due",
    "deadline",
    "reservation_value_minor",
    "lateness_penalty_minor_per_day",
    "good_for_takts",
    "partial",
)


@click.group("order")
@URL
@API_KEY
@click.pass_context
def order(context: click.Context, url: str | None, api_key: str | None) -> None:
    """Send orders to a market and follow them. `takt up` prints URL and key."""
    connect(context, url, api_key)


@order.command()
@click.argument("file", type=click.File("r", encoding="utf-8"), required=False)
@click.option("--part", "part_id", help="Part of your catalogue.")
@click.option("--quantity", type=int, help="Pieces.")
@click.option("--to", "destination", help="Site to which they go.")
@click.option("--release", help="Nothing starts before it, RFC 3339.")
@click.option("--due", help="Date asked for, RFC 3339.")
@click.option("--deadline", help="Last acceptable receipt, RFC 3339.")
@click.option("--limit", "reservation_value_minor", type=int, help="Most it may cost in total, cents.")
@click.option("--penalty", "lateness_penalty_minor_per_day", type=int, help="Per day late, cents.")
@click.option("--takts", "good_for_takts", type=int, help="Takts in which it is called.")
@click.option("--partial/--complete", default=None, help="Whether fewer pieces may be served.")
@click.option("--idempotency-key", help="Names the order; derived from its content if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_obj
def submit(
    connection: Connection,
    /,
    *,
    file: TextIO | None,
    idempotency_key: str | None,
    as_json: bool,
    **fields: object,
) -> None:
    """Send an order: a JSON FILE (- reads the standard input), flags, or a file with flags over it.

    The same order again is the same order: give another --idempotency-key to order twice.
    """
    with as_click_errors():
        body = _order(file, {name: fields[name] for name in _FIELDS if fields[name] is not None})
        text = json.dumps(body, sort_keys=True, default=_refuse_number)
        key = idempotency_key or f"takt-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
        if not key.isascii() or not key.isprintable():
            raise OrderCommandError(f"an idempotency key is visible ASCII; was {key!r}")
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        answer = connection.request("POST", "/v1/orders", content=text, headers=headers)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(f"order {answer['id']} is in the market's log at position {answer['position']}")
    click.echo(f"follow it: takt order show {answer['id']} --follow")


@order.command()
@click.argument("order_id", required=False)
@click.option("--state", help="List only orders in this state.")
@click.option("--follow", is_flag=True, help="Go on until the order is over.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(
    connection: Connection, /, *, order_id: str | None, state: str | None, follow: bool, as_json: bool
) -> None:
    """Show one order, or list all of yours."""
    with as_click_errors():
        if order_id is None:
            _list(connection, state, as_json=as_json)
            return
        if follow:
            _follow(connection, order_id, as_json=as_json)
            return
        shown = connection.request("GET", f"/v1/orders/{order_id}")
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    for line in _lines(shown):
        click.echo(line)
    for entry in shown["history"]:
        click.echo(f"  {entry['at']}  {entry['state']:<14}{entry['cause']}")


def _order(file: TextIO | None, fields: Mapping[str, object]) -> dict[str, object]:
    body: object = {} if file is None else read_json(file)
    if not isinstance(body, dict) or not (body or fields):
        raise OrderCommandError("give a file that holds an order as a JSON object, or flags")
    return body | dict(fields)


def _refuse_number(value: object) -> object:
    raise OrderCommandError(f"{printable(value)} is not an integer; orders hold no other numbers")


def _list(connection: Connection, state: str | None, *, as_json: bool) -> None:
    path = "/v1/orders" if state is None else str(httpx.URL("/v1/orders", params={"state": state}))
    orders: list[dict[str, Any]] = []
    while path:
        page = connection.request("GET", path)
        orders += page["orders"]
        path = page["next"]
    orders.sort(key=lambda item: (item["submitted"], item["id"]))
    if as_json:
        click.echo(json.dumps(orders, indent=2))
        return
    for item in orders:
        click.echo(
            f"{item['id']}  {item['state']:<14}{item['quantity']:>8} x {item['part_id']:<24}"
            f"{item['destination']:<16}{item['due']}  {_money(item, 'charge_minor')}"
        )
    if not orders:
        click.echo("no orders")


def _follow(connection: Connection, order_id: str, *, as_json: bool) -> None:
    with connection.follow(f"/v1/orders/{order_id}/events") as events:
        for name, data in events:
            if as_json:
                click.echo(json.dumps({"event": name, "data": data}))
            elif name == "history":
                click.echo(f"{data['at']}  {data['state']:<14}{data['cause']}")
            if name == "end":
                return
    click.echo("the stream ended before the order did; follow it again", err=True)


def _lines(item: Mapping[str, Any]) -> Iterator[str]:
    yield f"order {item['id']}: {item['state']}"
    yield f"  {item['quantity']} x {item['part_id']} to {item['destination']}, due {item['due']}"
    yield f"  limit {_money(item, 'reservation_value_minor')}, charge {_money(item, 'charge_minor')}"
    if item["promised"]:
        yield f"  {item['pieces']} pieces promised for {item['promised']}"
    for reason in item["reasons"]:
        yield f"  not served: {reason['code']} {reason['detail']}".rstrip()


def _money(item: Mapping[str, Any], name: str) -> str:
    amount = item[name]
    return "-" if amount is None else f"{amount / 100:,.2f} {item['currency']}"
