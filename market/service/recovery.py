"""What a restart does: the latest snapshot, then ``apply`` over the tail. ``decide`` never runs.

A snapshot is taken while nobody waits, at the start or the end of a market: encoding and storing a large
state takes seconds in which nothing could be acknowledged.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from market.adapters.codec import decode_events, decode_state, encode_state
from market.engine.engine import fold
from market.engine.state import State
from market.errors import ReplayError
from market.journal_errors import JournalError
from market.ports import Journal, Snapshot

_LOG = logging.getLogger(__name__)

SNAPSHOT_ENTRIES = 20_000
"""Entries after the last snapshot from which another one is worth its time."""


def recover(journal: Journal) -> State:
    """Return the state after every entry of the journal; nothing is written. Raises as `restart`."""
    return restart(journal)[0]


def restart(journal: Journal) -> tuple[State, int]:
    """Return the state after every entry, and how many of them the latest snapshot held.

    Raises
    ------
    ReplayError
        If the snapshot's digest is not that of its content, or it is ahead of the journal.
    """
    with _collector_off():
        snapshot = journal.latest_snapshot()
        state = State() if snapshot is None else _restored(journal, snapshot)
        held = state.size
        for stored in journal.read(held):
            fold(state, stored.entry.now_us, decode_events(stored.entry.events))
    return state, held


def _restored(journal: Journal, snapshot: Snapshot) -> State:
    if sha256(snapshot.state).hexdigest() != snapshot.digest:
        raise ReplayError(f"snapshot at {snapshot.size} does not have its digest {snapshot.digest}")
    if snapshot.size > journal.head().size:
        raise ReplayError(f"snapshot at {snapshot.size} is ahead of the journal at {journal.head().size}")
    return decode_state(snapshot.state)


@contextmanager
def _collector_off() -> Iterator[None]:
    """Keep the garbage collector from looking at a state that only grows: it took half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def take_snapshot(state: State) -> Snapshot:
    """Return the state as a snapshot to store."""
    content = encode_state(state)
    return Snapshot(size=state.size, state=content, digest=sha256(content).hexdigest())


def save_snapshot(journal: Journal, state: State, *, since: int) -> int:
    """Store a snapshot if many entries followed the one at ``since``; return the size of the latest.

    Without one a restart only takes longer, so that a journal which cannot store it is no failure.
    """
    if state.size - since < SNAPSHOT_ENTRIES:
        return since
    try:
        journal.save_snapshot(take_snapshot(state))
    except JournalError as error:
        _LOG.warning("no snapshot at %d: %s", state.size, error)
    return state.size
