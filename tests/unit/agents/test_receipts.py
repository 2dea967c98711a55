"""What a participant checks of the market's word: every part of a receipt and of a proof that could lie."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from takt_sdk.codec import DecodeError, decode_reply
from takt_sdk.model.proof import ProofReply, QueryProof
from takt_sdk.receipts import (
    KeptReceipt,
    LogHead,
    ReceiptError,
    check_proof,
    check_receipt,
    head_from_json,
    receipt_from_json,
    receipt_to_json,
)
from takt_sdk.signing import from_text, is_signed, to_text
from tests.signers import market_signer, signer_of
from tests.unit.market.service.small_market import DEADLINE_S, MARKET, SmallMarket, order
from tests.unit.market.service.test_signatures import Kept, bus, envelope

KEY = market_signer(MARKET).key
Told = tuple[list[KeptReceipt], ProofReply, LogHead]


async def tell() -> Told:
    """Return receipts of five orders, the proof of two of them, and the head of the first receipt."""
    small, store = SmallMarket(), Kept()
    async with small.running():
        signing = bus(small, store)
        for number in range(5):
            body = envelope("buyer", order(f"k-{number}"), message_id=f"m-{number}")
            await signing.request("order", body, timeout_s=DEADLINE_S)
        first = store.kept[0].receipt
        query = QueryProof(positions=(first.position, first.position + 2), since_size=first.size)
        reply = await signing.request("query", envelope("buyer", query), timeout_s=DEADLINE_S)
    proof = decode_reply(reply)
    assert isinstance(proof, ProofReply)
    return store.kept, proof, store.kept[0].head


@pytest.fixture(scope="module")
def told() -> Told:
    return asyncio.run(tell())


def test_what_the_market_said_holds(told: Told) -> None:
    receipts, proof, since = told
    for one in receipts:
        check_receipt(one, KEY)
        assert receipt_from_json(receipt_to_json(one)) == one
    assert check_proof(proof, MARKET, KEY, since).size == proof.size


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"message": "{}"}, "signature"),
        ({"channel": "bid"}, "signature"),
        ({"participant": "rival"}, "signature"),
        ({"market": "other"}, "signature"),
        ({"key": signer_of("rival").key}, "signature"),
        ({"key": "U"}, "signature"),
        ({"signature": ""}, "signature"),
        ({"signature": "%%"}, "signature"),
        ({"receipt.entered_us": 7}, "leaf"),
        ({"receipt.salt": "00" * 16}, "leaf"),
        ({"receipt.salt": "no hex"}, "leaf"),
        ({"receipt.outcome": "00" * 32}, "leaf"),
        ({"receipt.leaf": "00" * 32}, "leaf"),
        ({"receipt.leaf": "00" * 32, "receipt.repeated": True}, "proof"),
        ({"receipt.position": 0}, "proof"),
        ({"receipt.position": 99}, "proof"),
        ({"receipt.size": 1}, "proof"),
        ({"receipt.root": "00" * 32}, "proof"),
        ({"receipt.proof": ()}, "proof"),
        ({"receipt.proof": ("zz",)}, "proof"),
        ({"receipt.head_us": 1}, "head"),
        ({"receipt.head_signature": ""}, "head"),
        ({"receipt.head_signature": to_text(bytes(64))}, "head"),
    ],
    ids=str,
)
def test_each_part_of_a_receipt_that_lies_is_named(told: Told, change: dict[str, Any], what: str) -> None:
    one = told[0][2]
    of_receipt = {name.removeprefix("receipt."): to for name, to in change.items() if "." in name}
    outer = {name: to for name, to in change.items() if "." not in name}
    with pytest.raises(ReceiptError) as caught:
        check_receipt(replace(one, receipt=replace(one.receipt, **of_receipt), **outer), KEY)
    assert caught.value.what == what


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"root": "00" * 32}, "proof"),
        ({"size": 1}, "proof"),
        ({"consistency": ()}, "consistency"),
        ({"consistency": ("00" * 32,)}, "consistency"),
        ({"head_us": 1}, "head"),
        ({"head_signature": ""}, "head"),
        ({"entries.message": "{}"}, "leaf"),
        ({"entries.key": signer_of("rival").key}, "leaf"),
        ({"entries.outcome": "00" * 32}, "leaf"),
        ({"entries.position": 1}, "proof"),
        ({"entries.proof": ()}, "proof"),
    ],
    ids=str,
)
def test_each_part_of_a_proof_that_lies_is_named(told: Told, change: dict[str, Any], what: str) -> None:
    _, proof, since = told
    of_entry = {name.removeprefix("entries."): to for name, to in change.items() if "." in name}
    outer = {name: to for name, to in change.items() if "." not in name}
    entries = (replace(proof.entries[0], **of_entry), *proof.entries[1:])
    with pytest.raises(ReceiptError) as caught:
        check_proof(replace(proof, **{"entries": entries, **outer}), MARKET, KEY, since)
    assert caught.value.what == what


def test_another_log_does_not_extend_the_head_that_was_seen(told: Told) -> None:
    _, proof, since = told
    with pytest.raises(ReceiptError) as caught:
        check_proof(proof, MARKET, KEY, replace(since, root="ab" * 32))
    assert caught.value.what == "consistency"


@pytest.mark.parametrize("text", ["", "=", "a", "%", "é", "A" * 87])
def test_what_is_no_signature_verifies_nothing(text: str) -> None:
    assert not is_signed(KEY, from_text(text), b"data")


@pytest.mark.parametrize("data", [b"", b"{}", b'{"kind":"takt.log_head.v1","market":"UP"}', b"[]"])
def test_a_file_that_is_none_is_refused(data: bytes) -> None:
    for read in (receipt_from_json, head_from_json):
        with pytest.raises(DecodeError):
            read(data)
