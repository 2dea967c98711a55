"""The bid sheets of the bare partner: one package bid a lot, on its first day; wrong in one way if asked."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from nacl.public import PrivateKey, PublicKey, SealedBox

from takt_sdk.model.sealed import SEALED_SIZES

Json = dict[str, Any]
CAPACITY = 960
MINUTE_US = 60_000_000


def sheet_for(call: Json, free: Mapping[int, int], fault: str) -> Json:
    """Return a sheet on every lot that has a whole day; a refusal where none has."""
    origin_us, length_us = call["periods"]["origin_us"], call["periods"]["length_us"]
    first = -(
        (origin_us - max(call["deadline_us"], *(lot["earliest_start_us"] for lot in call["lots"])))
        // length_us
    )
    lots = [lot for lot in call["lots"] if origin_us + (first + 1) * length_us <= lot["latest_end_us"]]
    if not lots:
        return {"kind": "takt.decline_call.v1", "round_id": call["round_id"], "code": "dates"}
    many = range(len(lots))
    start_us = origin_us + first * length_us
    quantity = lots[0]["quantity"]
    minutes = 30 + 10 * quantity
    sheet: Json = {
        "kind": "takt.bid_sheet.v1",
        "round_id": call["round_id"],
        "expires_us": call["deadline_us"] + 60 * MINUTE_US,
        "capacities": {"resource": ["mill"], "period": [first], "available": [free.get(first, CAPACITY)]},
        "bids": {
            "id": [f"b{at}" for at in many],
            "site": [call["sites"][0] for _ in many],
            "start_us": [start_us for _ in many],
            "end_us": [start_us + length_us for _ in many],
            "fixed_price_minor": [150 * minutes for _ in many],
            "unit_price_minor": [0 for _ in many],
            "min_quantity": [0 for _ in many],
            "emissions_g": [0 for _ in many],
            "item_offset": [*many, len(lots)],
            "item_lot": [lot["id"] for lot in lots],
            "item_quantity": [quantity for _ in many],
            "use_offset": [*many, len(lots)],
            "use_capacity": [0 for _ in many],
            "use_fixed": [minutes for _ in many],
            "use_per_unit": [0 for _ in many],
            "group_offset": [0 for _ in range(len(lots) + 1)],
        },
    }
    _spoil(sheet, call, fault)
    return sheet


def _spoil(sheet: Json, call: Json, fault: str) -> None:
    """Make one thing wrong."""
    bids = sheet["bids"]
    match fault:
        case "bids above its capacity":
            bids["use_fixed"][0] = CAPACITY + 1
        case "bids outside the dates":
            bids["end_us"][0] = call["lots"][0]["latest_end_us"] + 1
        case "bids on more than the lot":
            bids["item_quantity"][0] += 1
        case "bids on a lot of others":
            bids["item_lot"][0] = "o-of-others.work"
        case "works at another's site":
            bids["site"][0] = "lyon"
        case "asks too much":
            bids["fixed_price_minor"][0] = call["max_price_minor"] + 1
        case "binds too shortly":
            sheet["expires_us"] = call["deadline_us"] - 1
        case "prices in fractions":
            bids["fixed_price_minor"][0] = 12_000.5
        case "answers another round":
            sheet["round_id"] = "r-999999"
        case "columns of two lengths":
            bids["site"].append("ulm")


def sealed(call: Json, sender: str, number: int, answer: Json, fault: str) -> Json:
    """Return an answer sealed as docs/protocol.md says."""
    inside = {
        "kind": "takt.sealed_answer.v1",
        "market": call["market"],
        "round_id": call["round_id"],
        "sender": "another" if fault == "another's name inside the seal" else sender,
        "sequence": number,
        "answer": answer,
    }
    text = json.dumps(inside).encode()
    key = (
        PrivateKey.generate().public_key
        if fault == "seals for nobody"
        else PublicKey(bytes.fromhex(call["sealing_key"]))
    )
    least = len(text) if fault == "seals without padding" else max(len(text), call["sealed_size"])
    size = next(size for size in SEALED_SIZES if size >= least)
    return {
        "kind": "takt.sealed_sheet.v1",
        "round_id": call["round_id"],
        "ciphertext": base64.b64encode(SealedBox(key).encrypt(text.ljust(size))).decode(),
    }
