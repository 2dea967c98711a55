"""The exact bytes of a journal entry that its Merkle leaf commits to.

This encoding is a promise: an auditor recomputes leaves from it years later. It never changes; a
new shape of `market.ports.Entry` gets a new domain line.
"""

from __future__ import annotations

from struct import Struct

from market.merkle import leaf_hash
from market.ports import Entry

SALT_SIZE = 16
ENTRY_DOMAIN = b"takt.journal.entry.v1\n"

_INTEGER = Struct(">q").pack
_LENGTH = Struct(">I").pack


def encode_entry(entry: Entry) -> bytes:
    r"""Return the canonical encoding of an entry.

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
    """Return SHA-256(0x00 ‖ ``salt`` ‖ encoding): the leaf of an entry under its 16-byte salt.

    The salt keeps a leaf from confirming a guess at the entry's content.
    """
    return leaf_hash(salt + encode_entry(entry))
