"""docs/protocol.md on signatures and receipts: followed with a bare Ed25519 and SHA-256, none of our code."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from pathlib import Path
from struct import pack
from typing import Any

import nkeys
import pytest
from nacl.signing import VerifyKey

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "protocol.md").read_text()
EXAMPLES = DOCS / "protocol" / "examples"
INDEX: dict[str, Any] = json.loads((EXAMPLES / "index.json").read_bytes())
SIGNED = [step for step in INDEX["steps"] if "headers" in step]


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verifier(key: str) -> VerifyKey:
    return VerifyKey(base64.b32decode(key)[1:-2])


def field(data: bytes) -> bytes:
    return pack(">I", len(data)) + data


def test_the_example_on_the_page_is_right() -> None:
    text = re.search(r"<!-- example: signature -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    headers = dict(line.split(": ") for line in text.group(1).strip().splitlines())
    seed = bytearray(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER))
    pair = nkeys.from_seed(seed)
    assert headers["Takt-Key"] == pair.public_key.decode()
    assert raw(headers["Takt-Signature"]) == pair.sign(b"takt.v1\ntakt.v1.demo.bid.acme\n{}")


@pytest.mark.parametrize("step", SIGNED, ids=lambda step: step["message"])
def test_every_worked_request_carries_the_signature_that_the_page_tells(step: dict[str, Any]) -> None:
    body = (EXAMPLES / step["message"]).read_bytes()
    headers = step["headers"]
    assert headers["Takt-Key"] == INDEX["keys"][step["from"]]["key"]
    data = b"takt.v1\n" + step["subject"].encode() + b"\n" + body
    verifier(headers["Takt-Key"]).verify(data, raw(headers["Takt-Signature"]))


def test_every_worked_receipt_proves_what_the_page_says() -> None:
    checked = 0
    for step in SIGNED:
        receipt = json.loads((EXAMPLES / step["reply"]).read_bytes())
        if receipt["kind"] != "takt.receipt.v1":
            continue
        body = (EXAMPLES / step["message"]).read_bytes()
        if not receipt["repeated"]:
            channel = step["subject"].split(".")[3].encode()
            key, signature = step["headers"]["Takt-Key"].encode(), raw(step["headers"]["Takt-Signature"])
            own = sha256(
                bytes.fromhex(receipt["salt"])
                + b"takt.journal.message.v2\n"
                + pack(">q", receipt["entered_us"])
                + b"".join(map(field, (channel, body, key, signature)))
            ).digest()
            leaf = sha256(b"\0takt.journal.entry.v2\n" + own + bytes.fromhex(receipt["outcome"])).hexdigest()
            assert leaf == receipt["leaf"]
            checked += 1
        assert included(receipt)
        stated = (
            f"takt.head.v1\n{INDEX['market']}\n{receipt['size']}\n{receipt['root']}\n{receipt['head_us']}\n"
        )
        verifier(INDEX["market_key"]).verify(stated.encode(), raw(receipt["head_signature"]))
    assert checked >= 10


def included(receipt: dict[str, Any]) -> bool:
    """Follow RFC 9162, 2.1.3.2."""
    node, at, last = bytes.fromhex(receipt["leaf"]), receipt["position"], receipt["size"] - 1
    for text in receipt["proof"]:
        sibling = bytes.fromhex(text)
        if at % 2 or at == last:
            node = sha256(b"\1" + sibling + node).digest()
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha256(b"\1" + node + sibling).digest()
        at, last = at >> 1, last >> 1
    return bool(last == 0 and node.hex() == receipt["root"])
