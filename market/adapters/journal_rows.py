"""A row of the table of entries as a value."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from market.ports import Entry, Stored


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
