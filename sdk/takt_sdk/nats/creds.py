"""What stands in a ``.creds`` file."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

_CREDS = """-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


MARKET_KEY_TAG = "takt-market-key:"
"""Begins the tag of a user's claims that names the key which signs the market's tree heads."""


def creds_text(jwt: str, seed: str) -> str:
    """Return the text of a ``.creds`` file."""
    return _CREDS.format(jwt=jwt, seed=seed)


def jwt_of(creds: str) -> str:
    """Return the user JWT in the text of a ``.creds`` file."""
    return _section(creds, "NATS USER JWT")


def seed_of(creds: str) -> str:
    """Return the seed in the text of a ``.creds`` file."""
    return _section(creds, "USER NKEY SEED")


def market_key_of(creds: str) -> str:
    """Return the market's public key that credentials tell; empty where they tell none."""
    tags: list[str] = claims_of(jwt_of(creds))["nats"].get("tags", [])
    found = (tag.removeprefix(MARKET_KEY_TAG) for tag in tags if tag.startswith(MARKET_KEY_TAG))
    return next(found, "").upper()


def _section(creds: str, name: str) -> str:
    match = re.search(rf"-+BEGIN {name}-+\s+(\S+)\s+-+END {name}-+", creds)
    if match is None:
        raise ValueError(f"creds must have a section {name!r}")
    return match.group(1)


def claims_of(jwt: str) -> dict[str, Any]:
    """Return what a JWT claims; its signature is the server's to check."""
    body = jwt.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims
