r"""What an entry of the market's log commits to where its message is signed, in two halves.

The first half is the sender's own message, the second what came of it, which may name others. Whoever
sent the message can open the first half alone: with its salt and the hash of the second, the leaf follows
from the sender's own bytes. This encoding is a promise and never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from struct import Struct

from takt_sdk.merkle import leaf_hash

ENTRY_DOMAIN = b"takt.journal.entry.v2\n"
MESSAGE_DOMAIN = b"takt.journal.message.v2\n"
OUTCOME_DOMAIN = b"takt.journal.outcome.v2\n"
SALT_SIZE = 16

_INTEGER = Struct(">q").pack
_LENGTH = Struct(">I").pack


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMessage:
    """A message as it was sent: the channel, the exact bytes, the key and its signature."""

    channel: str
    body: bytes
    key: str
    signature: bytes


def message_salt(salt: bytes) -> bytes:
    """Return the salt of the first half; it says nothing of the entry's own or of the other half's."""
    return sha256(b"takt.salt.message.v2\n" + salt).digest()[:SALT_SIZE]


def outcome_salt(salt: bytes) -> bytes:
    """Return the salt of the second half."""
    return sha256(b"takt.salt.outcome.v2\n" + salt).digest()[:SALT_SIZE]


def message_hash(message: SignedMessage, now_us: int, salt: bytes) -> bytes:
    """Return the hash of the first half: SHA-256 of salt ‖ domain ‖ time, channel, body, key, signature.

    The time is 8 bytes big-endian two's complement, the others follow a length of 4 bytes big-endian.
    """
    channel, key = message.channel.encode(), message.key.encode()
    return sha256(
        b"".join(
            (
                salt,
                MESSAGE_DOMAIN,
                _INTEGER(now_us),
                _LENGTH(len(channel)),
                channel,
                _LENGTH(len(message.body)),
                message.body,
                _LENGTH(len(key)),
                key,
                _LENGTH(len(message.signature)),
                message.signature,
            )
        )
    ).digest()


def outcome_hash(events: bytes, engine_version: str, rules_version: int, salt: bytes) -> bytes:
    """Return the hash of the second half: SHA-256 of salt ‖ domain ‖ events, engine and rules version."""
    engine = engine_version.encode()
    return sha256(
        b"".join(
            (
                salt,
                OUTCOME_DOMAIN,
                _LENGTH(len(events)),
                events,
                _LENGTH(len(engine)),
                engine,
                _INTEGER(rules_version),
            )
        )
    ).digest()


def signed_leaf(message: bytes, outcome: bytes) -> bytes:
    """Return the leaf over the hashes of the two halves."""
    return leaf_hash(ENTRY_DOMAIN + message + outcome)
