"""The exact bytes of a leaf: these vectors hold for every release."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from market.leaf import encode_entry, entry_leaf
from market.ports import Entry

ENTRY = Entry(
    now_us=1_767_225_600_000_000,
    source="acme",
    message=b'{"kind":"takt.tick.v1"}',
    events=b"[]",
    engine_version="0.1.0",
    rules_version=3,
)
ENCODED = bytes.fromhex(
    "74616b742e6a6f75726e616c2e656e7472792e76310a"  # takt.journal.entry.v1 and a line feed
    "0006474846204000"
    "0000000461636d65"
    "000000177b226b696e64223a2274616b742e7469636b2e7631227d"
    "000000025b5d"
    "00000005302e312e30"
    "0000000000000003"
)


def test_encoding_is_byte_for_byte_as_documented() -> None:
    assert encode_entry(ENTRY) == ENCODED


def test_leaf_is_the_hash_of_prefix_salt_and_encoding() -> None:
    salt = bytes(range(16))
    assert entry_leaf(ENTRY, salt) == sha256(b"\x00" + salt + ENCODED).digest()


def test_bytes_cannot_move_between_fields() -> None:
    one = replace(ENTRY, source="ab", message=b"c")
    other = replace(ENTRY, source="a", message=b"bc")
    assert encode_entry(one) != encode_entry(other)


def test_negative_integers_have_an_encoding() -> None:
    assert encode_entry(replace(ENTRY, now_us=-1))[22:30] == b"\xff" * 8


def test_each_field_changes_the_encoding() -> None:
    changed = (
        replace(ENTRY, now_us=0),
        replace(ENTRY, source="acme2"),
        replace(ENTRY, message=b""),
        replace(ENTRY, events=b""),
        replace(ENTRY, engine_version="0.1.1"),
        replace(ENTRY, rules_version=4),
    )
    encodings = {encode_entry(entry) for entry in (ENTRY, *changed)}
    assert len(encodings) == 7
