"""The exact bytes of a journal entry that its Merkle leaf commits to.

Both encodings are promises: an auditor recomputes leaves from them years later. They never change; a
new shape of `market.ports.Entry` gets a new domain line.
"""

from __future__ import annotations

from struct import Struct

from market.merkle import leaf_hash
from market.ports import Entry
from takt_sdk.log import (
    SALT_SIZE,
    SignedMessage,
    message_hash,
    message_salt,
    outcome_hash,
    outcome_salt,
    signed_leaf,
)

__all__ = ["ENTRY_DOMAIN", "SALT_SIZE", "encode_entry", "entry_leaf", "opening"]

ENTRY_DOMAIN = b"takt.journal.entry.v1\n"

_INTEGER = Struct(">q").pack
_LENGTH = Struct(">I").pack


def encode_entry(entry: Entry) -> bytes:
    r"""Return the canonical encoding of an entry whose message nobody signed.

    ``takt.journal.entry.v1\n``, then ``now_us``, ``source``, ``message``, ``events``,
    ``engine_version`` and ``rules_version`` in this order: an integer as 8 bytes big-endian two's
    complement; text (as UTF-8) and bytes as a 4-byte big-endian length followed by that many bytes.
    No two entries share an encoding.
    """
    source = entry.source.encode()
    engine_version = entry.engine_version.encode()
    return b"".join(
        (
            ENTRY_DOMAIN,
            _INTEGER(entry.now_us),
            _LENGTH(len(source)),
            source,
            _LENGTH(len(entry.message)),
            entry.message,
            _LENGTH(len(entry.events)),
            entry.events,
            _LENGTH(len(engine_version)),
            engine_version,
            _INTEGER(entry.rules_version),
        )
    )


def entry_leaf(entry: Entry, salt: bytes) -> bytes:
    """Return the leaf of an entry under its 16-byte salt.

    SHA-256(0x00 ‖ ``salt`` ‖ encoding) for an unsigned one, `takt_sdk.log.signed_leaf` for a signed one.
    The salt keeps a leaf from confirming a guess at the entry's content.
    """
    if not entry.signature and not entry.key:
        return leaf_hash(salt + encode_entry(entry))
    salt_of_message, outcome = opening(entry, salt)
    return signed_leaf(message_hash(message_of(entry), entry.now_us, salt_of_message), outcome)


def message_of(entry: Entry) -> SignedMessage:
    """Return the message of a signed entry as its sender sent it."""
    return SignedMessage(channel=entry.source, body=entry.message, key=entry.key, signature=entry.signature)


def opening(entry: Entry, salt: bytes) -> tuple[bytes, bytes]:
    """Return what lets the sender of a signed entry recompute its leaf: a salt, and the outcome's hash."""
    outcome = outcome_hash(entry.events, entry.engine_version, entry.rules_version, outcome_salt(salt))
    return message_salt(salt), outcome
