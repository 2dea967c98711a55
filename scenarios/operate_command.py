"""``takt status``, ``pause``, ``resume``, ``void``: the operator's word to the running market of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from scenarios.market_folder import FOLDER
from scenarios.operator_client import OperatorClient
from takt_sdk.model.values import DAY_US

REASON = click.option("--reason", required=True, help="Why; it is journaled.")


@click.command("status")
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@click.option("--check", is_flag=True, help="Print nothing; exit 1 unless the market takes orders.")
def status(data: Path, as_json: bool, check: bool) -> None:  # noqa: FBT001 - flags
    """Show how a running market is: orders, queues, participants, journal, snapshot, NATS."""
    known = OperatorClient.of(data).ask("GET", "/v1/operator/status")
    if check:
        raise SystemExit(0 if known["ready"] else 1)
    if as_json:
        click.echo(json.dumps(known, indent=1))
        return
    for name, value in _lines(known):
        click.echo(f"{name:<14}{value}")
    if not known["ready"]:
        raise SystemExit(1)


@click.command("pause")
@REASON
@FOLDER
def pause(reason: str, data: Path) -> None:
    """Open no further round. Orders are still acknowledged and wait; an open round and contracts go on."""
    OperatorClient.of(data).ask("POST", "/v1/operator/pause", {"reason": reason})
    click.echo("paused: no round opens until `takt resume`")


@click.command("resume")
@REASON
@FOLDER
def resume(reason: str, data: Path) -> None:
    """Open rounds again."""
    OperatorClient.of(data).ask("POST", "/v1/operator/resume", {"reason": reason})
    click.echo("resumed")


@click.command("void")
@click.argument("round_id", metavar="ROUND")
@REASON
@FOLDER
def void(round_id: str, reason: str, data: Path) -> None:
    """Take ROUND back while it is being cleared, or before anybody has confirmed a contract of it."""
    OperatorClient.of(data).ask("POST", f"/v1/operator/rounds/{round_id}/void", {"reason": reason})
    click.echo(f"{round_id} is void; its orders are called again")


def _lines(known: dict[str, Any]) -> list[tuple[str, str]]:
    agents = [one for one in known["participants"] if one["agent"]]
    heard = sorted((one["last_heard"], one["participant"]) for one in agents if one["last_heard"])
    silent = [one["participant"] for one in agents if not one["last_heard"]]
    state = "ready" if known["ready"] else "NOT READY: " + "; ".join(known["problems"])
    called = (
        known["round_id"] and f"{known['round_id']} {known['round_state']}, due {known['round_deadline']}"
    )
    snapshot = known["snapshot"] or "before this run"
    counts = known["counts"]
    unread = sum(count for name, count in counts.items() if name.startswith("refused_unread"))
    waiting = f"{known['waiting_messages']} messages of {known['waiting_senders']}"
    refused = f"{counts['refused']:,} by the engine, {unread:,} unread"
    longest = f", longest ago {heard[0][1]} at {heard[0][0]}" if heard else ""
    return [
        ("market", f"{known['market']}, {state}"),
        ("time", f"{known['now']}, running since {known['started']}"),
        *([("paused", known["paused"])] if known["paused"] else []),
        ("round", called or "none open"),
        ("orders", _counts(known["orders"])),
        ("contracts", _counts(known["contracts"])),
        ("rounds", _counts(known["rounds"])),
        *resilience_lines(known["resilience"]),
        ("journal", f"{known['entries']:,} entries, {known['journal_bytes'] / 1e6:,.1f} MB"),
        ("snapshot", f"{known['snapshot_entries']:,} entries, taken {snapshot}"),
        ("waiting", f"{waiting} (most {known['waiting_most']})"),
        ("to be read", f"{known['outbox_open']} messages by participants"),
        ("refused", f"{refused}, {counts['dropped_unread']:,} dropped"),
        ("nats", "connected" if known["nats_connected"] else "AWAY"),
        *([("escrow", known["escrow"])] if known["escrow"] else []),
        ("heard", f"{len(heard)} of {len(agents)}{longest}"),
        *([("never heard", ", ".join(silent))] if silent else []),
    ]


def resilience_lines(known: dict[str, int]) -> list[tuple[str, str]]:
    """Return how losses were dealt with, and what service suffered; nothing where nothing was."""
    found = []
    if known["risks"]:
        detected_s = known["detection_us"] / known["risks"] / 1e6
        text = f"{known['risks']:,}, known after {_span(detected_s)}"
        if known["awarded"]:
            awarded_s = known["award_us"] / known["awarded"] / 1e6
            text += f"; {known['awarded']:,} awarded anew after {_span(awarded_s)} more (means)"
        found.append(("risks", text))
    if known["late_us"] or known["area_lost_ppm"]:
        days, area = known["late_us"] / DAY_US, known["area_lost_ppm"] / 1e6
        below = f"{known['recovery_days']} days below 90 % at most"
        found.append(("service", f"{days:,.1f} late days, {area:,.2f} days of area lost, {below}"))
    return found


def _span(seconds: float) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds / length_s:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def _counts(by_state: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in by_state.items()) or "none"
