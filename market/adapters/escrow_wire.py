"""How market and escrow talk: one line of JSON each way over TCP or TLS, under a token that both hold.

Nothing but keys and proofs of closes goes over it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from typing import Any

from market.ports import CloseProof, Entry, Stored, TreeHead

MAX_LINE = 64 * 1024 * 1024
"""Largest request: a close entry may be large where much was due at once."""


def proof_to_json(proof: CloseProof) -> dict[str, Any]:
    """Return a proof as JSON."""
    return {
        "market": proof.market,
        "round_id": proof.round_id,
        "position": proof.close.position,
        "salt": proof.close.salt.hex(),
        "leaf": proof.close.leaf.hex(),
        "entry": {field.name: _out(getattr(proof.close.entry, field.name)) for field in fields(Entry)},
        "path": [node.hex() for node in proof.path],
        "size": proof.head.size,
        "root": proof.head.root.hex(),
        "at_us": proof.head.at_us,
        "signature": proof.head.signature.hex(),
    }


def proof_from_json(document: dict[str, Any]) -> CloseProof:
    """Return the proof that `proof_to_json` wrote; raises KeyError, TypeError, ValueError otherwise."""
    entry = Entry(**{name: _in(value) for name, value in document["entry"].items()})
    return CloseProof(
        market=str(document["market"]),
        round_id=str(document["round_id"]),
        close=Stored(
            position=int(document["position"]),
            entry=entry,
            salt=bytes.fromhex(document["salt"]),
            leaf=bytes.fromhex(document["leaf"]),
        ),
        path=tuple(bytes.fromhex(node) for node in document["path"]),
        head=TreeHead(
            size=int(document["size"]),
            root=bytes.fromhex(document["root"]),
            at_us=int(document["at_us"]),
            signature=bytes.fromhex(document["signature"]),
        ),
    )


def line(document: dict[str, Any]) -> bytes:
    """Return a document as one line."""
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _out(value: object) -> object:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _in(value: Any) -> Any:  # noqa: ANN401 - the types of an entry's fields
    return base64.b64decode(value["base64"], validate=True) if isinstance(value, dict) else value
