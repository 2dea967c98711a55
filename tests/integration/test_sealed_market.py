"""A canary price is nowhere before the close: in no file, answer, stream, message, metric or log."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from pathlib import Path

import pytest

from market.adapters.codec import decode_events
from market.adapters.escrow_client import ChildEscrow
from market.adapters.journal import open_journal
from market.service.audit import audit
from market.service.recovery import take_snapshot
from takt_sdk.model.messages import DeclineCall
from takt_sdk.wall_clock import OsEntropy
from tests.integration.sealed_market import SealedHouse, sealed_house, spellings, taped
from tests.unit.market.service.small_market import sheet, until

CANARY = 98_765_433_221
"""A price in minor units that nothing else in the market could come to."""


async def everything(house: SealedHouse, log: str) -> dict[str, bytes]:
    """Return all that the market has written, said and shown so far, by where it is."""
    found = {f"file {name}": data for name, data in house.files().items()}
    found |= {f"heard {number}": said for number, said in enumerate(house.heard)}
    found["log"] = log.encode()
    document = (await house.http["nobody"].get("/v1/openapi.json")).json()
    state = house.market.service.state_of().state
    ids = {"order_id": next(iter(state.orders)), "round_id": next(iter(state.rounds)), "code": "conflict"}
    paths = [
        path for path, ways in document["paths"].items() if "get" in ways and not path.endswith("events")
    ]
    asked = [(path, name) for path in paths for name in house.http]
    answers = await asyncio.gather(
        *(house.http[name].get(path.format_map(_Filled(ids))) for path, name in asked)
    )
    for (path, name), answer in zip(asked, answers, strict=True):
        found[f"GET {path} as {name}: {answer.status_code}"] = answer.content
    found["state"] = take_snapshot(state).state
    found["counters"] = repr(house.market.service.counters).encode()
    found["health"] = repr(await house.market.service.health()).encode()
    return found


class _Filled(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "p1"


def sightings(found: dict[str, bytes], number: int) -> list[str]:
    return [place for place, data in found.items() if any(form in data for form in spellings(number))]


async def test_the_canary_is_found_nowhere_before_the_close(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with sealed_house(tmp_path / "market") as house:
        following = [asyncio.create_task(house.follow("buyer", path)) for path in ("/v1/events",)]
        tape = await taped(house, house.market.nats.participant_creds("rival"))
        await house.call()
        round_ = house.market.service.state_of().state.round
        assert round_ is not None
        house.heard.append(await house.answer("anna", sheet(round_, "anna", CANARY)))
        house.heard.append(await house.answer("bert", DeclineCall(round_id=round_.id, code="no_capacity")))
        house.heard.append(await house.answer("anna", sheet(round_, "anna", CANARY)))
        await house.pass_time(9)
        before = await everything(house, caplog.text)
        assert sightings(before, CANARY) == []
        assert not [
            place for place, data in before.items() if b"no_capacity" in data and "openapi" not in place
        ]
        opened = [place for place, data in before.items() if place.startswith("GET") and ": 200" in place]
        assert len(opened) >= 12
        assert any(place.endswith("journal.db-wal") for place in before)
        await house.pass_time(1)
        await until(lambda: house.market.service.state_of().state.round is None)
        after = await everything(house, caplog.text)
        told = sightings(after, CANARY)
        assert any("journal.db" in place for place in told)  # the search does find it
        assert not [
            place for place in told if place.startswith(("GET", "heard", "log", "counters", "health"))
        ]
        await tape.close()
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    printed = capfd.readouterr()
    assert sightings({"out": printed.out.encode(), "err": printed.err.encode()}, CANARY) == []


async def test_the_key_is_gone_from_the_escrow_once_the_round_is_open_and_the_journal_verifies(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "market"
    async with sealed_house(folder) as house:
        await house.call()
        round_ = house.market.service.state_of().state.round
        assert round_ is not None
        keys, released = folder / "escrow" / "keys", folder / "escrow" / "released"
        assert [path.stat().st_mode & 0o077 for path in keys.iterdir()] == [0]
        assert not list(released.iterdir())
        await house.answer("anna", sheet(round_, "anna", 900))
        await house.pass_time(10)
        await until(lambda: house.market.service.state_of().state.round is None)
        await until(lambda: not list(keys.iterdir()))
        (record,) = (json.loads(path.read_text()) for path in released.iterdir())
        assert (record["market"], record["round_id"]) == ("small", round_.id)
    journal = open_journal(folder / "journal.db", entropy=OsEntropy())
    assert audit(journal).clearings == 1
    closed = next(iter(journal.read(record["position"], record["position"] + 1)))
    assert closed.leaf.hex() == record["leaf"]
    assert "takt.round_closed.v1" in [event.kind for event in decode_events(closed.entry.events)]
    journal.close()


async def test_an_escrow_killed_while_the_round_is_open_is_started_again_with_its_keys(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "market"
    escrow = ChildEscrow(folder / "escrow")
    async with sealed_house(folder, escrow=escrow) as house:
        await house.call()
        round_ = house.market.service.state_of().state.round
        assert round_ is not None
        await house.answer("anna", sheet(round_, "anna", 900))
        first = escrow.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: escrow.pid is None)
        await house.pass_time(10)
        await until(lambda: house.market.service.state_of().state.round is None)
        (contract,) = house.market.service.state_of().state.contracts.values()
        assert contract.contract.payment_minor == 900
        assert escrow.pid not in {None, first}
    assert escrow.pid is None


async def test_only_the_holder_of_the_token_is_answered(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    async with sealed_house(folder) as house:
        await house.call()
        address = json.loads((folder / "escrow" / "address.json").read_text())
        for token in ("", "0" * 64):
            reader, writer = await asyncio.open_connection(address["host"], address["port"])
            asked = {"token": token, "ask": "public_key", "market": "small", "round_id": "r-000001"}
            for line in (json.dumps(asked).encode() + b"\n", b"nonsense\n", b"[]\n"):
                writer.write(line)
                reply = json.loads(await reader.readline())
                assert set(reply) == {"refused"}
            writer.close()
