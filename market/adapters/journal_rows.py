"""Rows of the tables of entries and heads as values, and values as rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from market.ports import Entry, Stored, TreeHead


def stored_of(row: Row[*tuple[Any, ...]]) -> Stored:
    """Return a whole row of `ENTRIES`, its columns in their order, as an entry at its position."""
    position, now_us, source, message, events, engine, rules, salt, leaf, signature, key = row
    entry = Entry(
        now_us=now_us,
        source=source,
        message=message,
        events=events,
        engine_version=engine,
        rules_version=rules,
        signature=signature,
        key=key,
    )
    return Stored(position=position, entry=entry, salt=salt, leaf=leaf)


def entry_values(position: int, entry: Entry, salt: bytes, leaf: bytes) -> dict[str, int | str | bytes]:
    """Return an entry as a row of `ENTRIES`."""
    return {
        "position": position,
        "now_us": entry.now_us,
        "source": entry.source,
        "message": entry.message,
        "events": entry.events,
        "engine_version": entry.engine_version,
        "rules_version": entry.rules_version,
        "salt": salt,
        "leaf": leaf,
        "signature": entry.signature,
        "key": entry.key,
    }


def head_values(head: TreeHead) -> dict[str, int | bytes]:
    """Return a head as a row of `TREE_HEADS`."""
    return {"size": head.size, "root": head.root, "at_us": head.at_us, "signature": head.signature}
