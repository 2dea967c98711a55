"""The audit finds every change of a journal and names the first position at which something is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import pytest

from market.adapters.codec import decode_envelope, state_digest
from market.adapters.journal_memory import MemoryJournal
from market.engine.engine import ENGINE_VERSION
from market.errors import ReplayError
from market.model.commands import ReportClearing
from market.ports import Decided, Entry, Stored, TreeHead
from market.service.audit import audit
from market.service.recovery import recover, take_snapshot
from scenarios.simulator import SeededEntropy
from takt_sdk.codec import encode
from takt_sdk.model.messages import QuerySync, Receipt
from tests.unit.market.engine.market import CHAIN, START_US, Market, Offer


class Tampered(MemoryJournal):
    """A journal that reads as somebody has left it."""

    def __init__(self, entries: Sequence[Stored], head: TreeHead) -> None:
        super().__init__(entropy=SeededEntropy(1))
        self._given, self._given_head = list(entries), head

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        return iter(self._given[start:stop])

    def head(self) -> TreeHead:
        return self._given_head


def journal() -> MemoryJournal:
    """Return the journal of a market with an award, a contract lost and a second round."""
    market = Market()
    market.order("o1", plan=CHAIN)
    market.tick()
    for participant, name, days in (
        ("steel-s", "steel", (0.5, 1)),
        ("mill-a", "mill", (4, 5)),
        ("mill-b", "paint", (8, 9)),
    ):
        lot = market.lot("o1", name)
        market.bid(
            participant, {name: Offer(lots={lot: 20 if name == "steel" else 10}, price=100, days=days)}
        )
    market.clear()
    market.report("steel-s", "confirmed", "started", "finished")
    market.report("mill-a", "refused")
    market.days(1)
    market.bid("mill-b", {"m": Offer(lots={market.lot("o1", "mill"): 10}, price=150, days=(4, 5))})
    market.clear()
    return market.journal


@pytest.fixture(scope="module")
def entries() -> tuple[list[Stored], TreeHead]:
    made = journal()
    return list(made.read()), made.head()


def rebuilt(entries: Sequence[Entry]) -> MemoryJournal:
    """Return a journal whose leaves and tree are right for entries that somebody has made up."""
    made = MemoryJournal(entropy=SeededEntropy(2))
    made.append([Decided(entry=entry) for entry in entries])
    return made


def test_a_right_journal_recomputes_to_its_state() -> None:
    made = journal()
    shown: list[int] = []
    found = audit(made, show=shown.append)
    assert shown == list(range(made.head().size))
    assert (found.entries, found.clearings, found.skipped) == (made.head().size, 2, 0)
    assert found.root == made.head().root
    assert found.state_digest == state_digest(recover(made))


def test_any_altered_byte_is_found_where_it_is(entries: tuple[list[Stored], TreeHead]) -> None:
    stored, head = entries
    chance = Random(1)
    for position, one in enumerate(stored):
        for name in ("message", "events"):
            data: bytes = getattr(one.entry, name)
            for at in chance.sample(range(len(data)), 3):
                altered = data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
                changed = list(stored)
                entry = (
                    replace(one.entry, message=altered)
                    if name == "message"
                    else replace(one.entry, events=altered)
                )
                changed[position] = replace(one, entry=entry)
                with pytest.raises(ReplayError, match=f"entry {position} does not have the leaf"):
                    audit(Tampered(changed, head))


def test_missing_doubled_and_swapped_entries_are_found(entries: tuple[list[Stored], TreeHead]) -> None:
    stored, head = entries
    for changed, message in (
        (stored[:5] + stored[6:], "position 5 is missing"),
        ([*stored[:6], *stored[5:]], "position 6 is missing"),
        (stored[:-1], f"the tree over {len(stored) - 1} entries is not the head"),
        ([*stored[:5], stored[6], stored[5], *stored[7:]], "position 5 is missing"),
    ):
        with pytest.raises(ReplayError, match=message):
            audit(Tampered(changed, head))


def test_a_history_that_was_made_up_with_its_tree_is_found(entries: tuple[list[Stored], TreeHead]) -> None:
    """Whoever holds the whole journal can rebuild the tree; what is decided cannot be made up."""
    kept = [one.entry for one in entries[0]]
    assert audit(rebuilt(kept)).entries == len(kept)
    for position, entry in enumerate(kept):
        for old, new in (
            (b'"payment_minor":100', b'"payment_minor":101'),
            (b'"charge_minor":', b'"charge_minor":1'),
        ):
            if old in entry.events:
                forged = replace(entry, events=entry.events.replace(old, new, 1))
                with pytest.raises(ReplayError, match=f"entry {position} decides to other events"):
                    audit(rebuilt([*kept[:position], forged, *kept[position + 1 :]]))


@pytest.mark.parametrize(
    "events",
    [b"", b"[]", b"{}", b"[1]", b'[{"kind":"takt.order_cancelled.v1","order_id":"o-none","at_us":1}]'],
)
@pytest.mark.parametrize("version", [ENGINE_VERSION, "0"])
def test_events_that_cannot_be_are_found(
    entries: tuple[list[Stored], TreeHead], events: bytes, version: str
) -> None:
    kept = [one.entry for one in entries[0]]
    forged = replace(kept[-1], events=events, engine_version=version)
    if (events, version) == (b"[]", "0"):
        assert audit(rebuilt([*kept[:-1], forged])).skipped == 1
        return
    with pytest.raises(ReplayError, match=f"entry {len(kept) - 1} "):
        audit(rebuilt([*kept[:-1], forged]))


@pytest.mark.parametrize("body", [QuerySync(), Receipt(message_id="m", position=1, leaf="", size=1, root="")])
@pytest.mark.parametrize("sender", ["mill-a", "nobody", "operator"])
def test_a_message_that_is_no_command_is_found(
    entries: tuple[list[Stored], TreeHead], body: QuerySync | Receipt, sender: str
) -> None:
    kept = [one.entry for one in entries[0]]
    envelope = replace(decode_envelope(kept[-1].message), body=body, sender=sender)
    forged = replace(kept[-1], message=encode(envelope))
    with pytest.raises(ReplayError, match=f"entry {len(kept) - 1} "):
        audit(rebuilt([*kept[:-1], forged]))


def test_a_clearing_with_another_seed_is_found(entries: tuple[list[Stored], TreeHead]) -> None:
    kept = [one.entry for one in entries[0]]
    at = next(n for n, entry in enumerate(kept) if b"takt.report_clearing.v1" in entry.message)
    envelope = decode_envelope(kept[at].message)
    assert isinstance(envelope.body, ReportClearing)
    forged = replace(envelope, body=replace(envelope.body, seed=12_345))
    with pytest.raises(ReplayError, match=f"entry {at} clears with a seed that its round did not draw"):
        audit(rebuilt([*kept[:at], replace(kept[at], message=encode(forged)), *kept[at + 1 :]]))


def test_entries_of_another_engine_version_are_folded_and_said_to_be_skipped(
    entries: tuple[list[Stored], TreeHead],
) -> None:
    kept = [replace(one.entry, engine_version="0") for one in entries[0]]
    found = audit(rebuilt(kept))
    assert (found.skipped, found.decided) == (len(kept), 0)
    assert found.state_digest == audit(rebuilt([one.entry for one in entries[0]])).state_digest


# --- restart ---------------------------------------------------------------------------------


def test_a_snapshot_with_another_content_is_refused() -> None:
    made = journal()
    state = recover(made)
    snapshot = take_snapshot(state)
    made.save_snapshot(snapshot)
    assert state_digest(recover(made)) == snapshot.digest
    made._snapshot = replace(
        snapshot, state=snapshot.state.replace(b'"charge_minor":', b'"charge_minor":1', 1)
    )
    with pytest.raises(ReplayError, match="does not have its digest"):
        recover(made)


def test_a_snapshot_ahead_of_its_journal_is_refused() -> None:
    made = journal()
    made._snapshot = replace(take_snapshot(recover(made)), size=made.head().size + 1)
    with pytest.raises(ReplayError, match="is ahead of the journal"):
        recover(made)


def test_a_restart_from_a_snapshot_reads_the_tail_only() -> None:
    market = Market()
    market.journal.save_snapshot(take_snapshot(market.state))
    market.order("o1")
    market.tick(START_US)
    before = state_digest(market.state)
    market.restart()
    assert state_digest(market.state) == before
