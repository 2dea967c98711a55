"""What every journal must do; each store's test module runs this suite over itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from typing import Any, Protocol

import pytest

from market.adapters.journal_audit import audit_tree
from market.adapters.journal_checks import MAX_ROWS, READ_MODELS
from market.journal_errors import (
    JournalClosedError,
    JournalConflictError,
    JournalError,
    JournalValueError,
)
from market.leaf import entry_leaf
from market.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from market.ports import (
    Decided,
    Entry,
    Journal,
    OutboxMessage,
    ReadModel,
    RowChange,
    Snapshot,
    TreeHead,
)


class CountingEntropy:
    """Bytes that never repeat and are the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._count = 0

    def token(self, size: int) -> bytes:
        parts = []
        for _ in range(0, size, 32):
            parts.append(sha256(f"{self._seed}/{self._count}".encode()).digest())
            self._count += 1
        return b"".join(parts)[:size]


class TestedJournal(Journal, Protocol):
    """A journal, and what its suite asks beside the port."""

    @property
    def location(self) -> str: ...


OpenJournal = Callable[[], TestedJournal]


def entry(number: int, **changes: Any) -> Entry:  # noqa: ANN401 - fields of several types
    return replace(
        Entry(
            now_us=1_000_000 + number,
            source="acme",
            message=b'{"number":%d}' % number,
            events=b"[]",
            engine_version="0.1.0",
            rules_version=1,
        ),
        **changes,
    )


def decided(number: int, **parts: Any) -> Decided:  # noqa: ANN401 - fields of several types
    return Decided(entry=entry(number), **parts)


def row(name: str, /, **changes: Any) -> RowChange:  # noqa: ANN401 - fields of several types
    return replace(
        RowChange(
            model="orders", key=name, tenant="acme", status="calling", updated_us=7, document=b'{"a":1}'
        ),
        **changes,
    )


def message(name: str, /, **changes: Any) -> OutboxMessage:  # noqa: ANN401 - fields of several types
    return replace(
        OutboxMessage(message_id=name, channel="cfp", participant="plant-1", body=b'{"c":1}'),
        **changes,
    )


def snapshot(size: int, state: bytes = b"{}") -> Snapshot:
    return Snapshot(size=size, state=state, digest=sha256(state).hexdigest())


def keys(rows: Sequence[RowChange]) -> list[str]:
    return [one.key for one in rows]


def ids(messages: Sequence[OutboxMessage]) -> list[str]:
    return [one.message_id for one in messages]


SIGNED = entry(7, source="bid", signature=bytes(range(64)), key="UKEY")

FIRST_RELEASE = (
    "ALTER TABLE entries DROP COLUMN signature",
    "ALTER TABLE entries DROP COLUMN key",
    "ALTER TABLE tree_heads DROP COLUMN at_us",
    "ALTER TABLE tree_heads DROP COLUMN signature",
    "UPDATE journal_format SET version = 1",
)
"""Makes of a journal of this release one of the first."""


def signed(head: TreeHead) -> TreeHead:
    return replace(head, at_us=9, signature=head.root * 2)


INVALID = (
    ("entry.now_us", decided(0), {"now_us": 2**63}),
    ("entry.now_us", decided(0), {"now_us": -(2**63) - 1}),
    ("entry.now_us", decided(0), {"now_us": 1.5}),
    ("entry.now_us", decided(0), {"now_us": True}),
    ("entry.source", decided(0), {"source": "a\0b"}),
    ("entry.source", decided(0), {"source": "\ud800"}),
    ("entry.source", decided(0), {"source": b"acme"}),
    ("entry.message", decided(0), {"message": "{}"}),
    ("entry.events", decided(0), {"events": bytearray()}),
    ("entry.engine_version", decided(0), {"engine_version": "\0"}),
    ("entry.rules_version", decided(0), {"rules_version": 2**64}),
    ("entry.signature", decided(0), {"signature": "c2ln"}),
    ("entry.key", decided(0), {"key": "U\0"}),
)

INVALID_ROWS = (
    ("model", {"model": "rows"}),
    ("key", {"key": ""}),
    ("key", {"key": "a\0"}),
    ("key", {"key": "ö\udfff"}),
    ("tenant", {"tenant": None}),
    ("status", {"status": "\0"}),
    ("updated_us", {"updated_us": 2**63}),
    ("document", {"document": "{}"}),
)

INVALID_MESSAGES = (
    ("message_id", {"message_id": ""}),
    ("message_id", {"message_id": "\ud800"}),
    ("channel", {"channel": "bid"}),
    ("participant", {"participant": 7}),
    ("body", {"body": None}),
)


class JournalContract:
    """Subclasses provide ``open_journal``: each call opens the same journal, empty at first."""

    @pytest.fixture
    def open_journal(self) -> OpenJournal:
        raise NotImplementedError

    @pytest.fixture
    def journal(self, open_journal: OpenJournal) -> Iterator[TestedJournal]:
        with closing(open_journal()) as journal:
            yield journal

    # --- entries -----------------------------------------------------------------------------

    def test_a_new_journal_is_empty(self, journal: TestedJournal) -> None:
        assert journal.head() == TreeHead(size=0, root=EMPTY_ROOT)
        assert list(journal.read()) == []
        assert list(journal.heads()) == []
        assert list(journal.leaves()) == []
        assert journal.latest_snapshot() is None
        assert list(journal.open_outbox()) == []
        for model in READ_MODELS:
            assert list(journal.rows(model)) == []

    def test_append_returns_the_leaves_and_the_head_over_them(self, journal: TestedJournal) -> None:
        leaves, head = journal.append([decided(0), decided(1), decided(2)])
        stored = list(journal.read())
        assert [one.entry for one in stored] == [entry(0), entry(1), entry(2)]
        assert [one.position for one in stored] == [0, 1, 2]
        assert [one.leaf for one in stored] == list(leaves)
        assert [entry_leaf(one.entry, one.salt) for one in stored] == list(leaves)
        assert head == TreeHead(size=3, root=root_of(leaves)) == journal.head()

    def test_a_signed_entry_has_a_leaf_of_its_own_kind(self, journal: TestedJournal) -> None:
        unsigned = replace(SIGNED, signature=b"", key="")
        leaves, _ = journal.append([Decided(entry=SIGNED), Decided(entry=unsigned)])
        first, second = journal.read()
        assert (first.entry, second.entry) == (SIGNED, unsigned)
        assert [entry_leaf(one.entry, one.salt) for one in (first, second)] == list(leaves)
        assert entry_leaf(unsigned, first.salt) != first.leaf
        for change in ({"signature": bytes(64)}, {"key": "UOTHER"}, {"source": "report"}, {"events": b"[1]"}):
            assert entry_leaf(replace(SIGNED, **change), first.salt) != first.leaf

    def test_a_head_is_stored_as_it_was_signed(self, journal: TestedJournal) -> None:
        journal.append([decided(0)])
        _, head = journal.append([decided(1)], sign=signed)
        assert (head.at_us, head.signature) == (9, head.root * 2)
        assert journal.head() == head
        assert [one.at_us for one in journal.heads()] == [0, 9]
        assert list(journal.heads())[-1] == head

    def test_salts_and_peaks_are_those_of_the_entries(self, journal: TestedJournal) -> None:
        journal.append([decided(number) for number in range(5)])
        journal.append([decided(5), decided(6)])
        stored = list(journal.read())
        for start, stop in ((0, 7), (5, 7), (6, 7), (4, 6), (2, 2), (5, 9)):
            assert list(journal.salts(start, stop)) == [one.salt for one in stored[start:stop]]
        assert journal.peaks() == (7, Frontier().extend(journal.leaves()).peaks)

    def test_salts_are_fresh(self, journal: TestedJournal) -> None:
        journal.append([decided(0), decided(0)])
        journal.append([decided(0)])
        stored = list(journal.read())
        assert {len(one.salt) for one in stored} == {16}
        assert len({one.salt for one in stored}) == 3
        assert len({one.leaf for one in stored}) == 3

    def test_an_empty_batch_stores_nothing(self, journal: TestedJournal) -> None:
        journal.append([decided(0)])
        head = journal.head()
        leaves, same = journal.append([])
        assert (list(leaves), same) == ([], head)
        assert len(list(journal.heads())) == 1

    def test_values_come_back_exactly(self, journal: TestedJournal) -> None:
        one = entry(
            0,
            now_us=-(2**63),
            source="Gießerei 株式会社 \U0001f3ed'\"\\%s:x?",
            message=bytes(range(256)),
            events=b"",
            engine_version="",
            rules_version=2**63 - 1,
        )
        big = entry(1, message=b"x" * 300_000)
        changed = row("key-ü", tenant="", status="", updated_us=2**63 - 1, document=bytes(range(256)))
        sent = message("m-ü", channel="tape", participant="", body=b"")
        journal.append([Decided(entry=one, rows=(changed,), outbox=(sent,)), Decided(entry=big)])
        assert [stored.entry for stored in journal.read()] == [one, big]
        assert list(journal.rows("orders")) == [changed]
        assert list(journal.open_outbox()) == [sent]

    def test_there_is_a_head_per_commit(self, journal: TestedJournal) -> None:
        heads = [journal.append([decided(number) for number in range(size)])[1] for size in (1, 3, 2)]
        assert [head.size for head in heads] == [1, 4, 6]
        assert list(journal.heads()) == heads
        assert list(journal.heads(1)) == heads[1:]
        assert list(journal.heads(0, 4)) == heads[:2]
        assert list(journal.heads(1, 3)) == []

    def test_ranges_are_half_open(self, journal: TestedJournal) -> None:
        journal.append([decided(number) for number in range(5)])
        leaves = list(journal.leaves())
        for start, stop in ((0, 5), (2, 4), (3, None), (0, 0), (4, 2), (5, 9), (7, 9)):
            wanted = list(range(5))[start:stop]
            assert [one.position for one in journal.read(start, stop)] == wanted
            assert list(journal.leaves(start, stop)) == [leaves[position] for position in wanted]

    @pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, -1)])
    def test_negative_positions_are_refused_at_once(
        self, journal: TestedJournal, start: int, stop: int | None
    ) -> None:
        for method in (journal.read, journal.heads, journal.leaves):
            with pytest.raises(JournalValueError, match="must not be negative; was -1"):
                method(start, stop)

    def test_reading_pages_through_many_entries(self, journal: TestedJournal) -> None:
        journal.append([decided(number) for number in range(2_345)])
        assert [one.position for one in journal.read()] == list(range(2_345))

    def test_reading_goes_on_while_another_thread_appends(self, journal: TestedJournal) -> None:
        journal.append([decided(number) for number in range(1_500)])
        entries = journal.read()
        first = next(entries)
        failures: list[BaseException] = []

        def append() -> None:
            try:
                for number in range(20):
                    journal.append([decided(number)])
            except BaseException as error:  # noqa: BLE001 - handed to the test's thread
                failures.append(error)

        thread = threading.Thread(target=append)
        thread.start()
        rest = list(entries)
        thread.join(timeout=30)
        assert not thread.is_alive()
        assert failures == []
        assert [one.position for one in (first, *rest)] == list(range(1_500))
        assert journal.head().size == 1_520

    def test_appends_of_several_threads_are_all_stored_once(self, journal: TestedJournal) -> None:
        heads: list[TreeHead] = []

        def append(number: int) -> None:
            heads.extend(journal.append([decided(number), decided(number)])[1] for _ in range(10))

        threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert sorted(head.size for head in heads) == list(range(2, 82, 2))
        assert audit_tree(journal, location=journal.location).size == 80
        sources = [one.entry.now_us for one in journal.read()]
        assert sources[::2] == sources[1::2]

    def test_proofs_verify_against_stored_heads(self, journal: TestedJournal) -> None:
        heads = [journal.append([decided(number)])[1] for number in range(11)]
        leaves = journal.leaves()
        last = heads[-1]
        for position, leaf in enumerate(leaves):
            proof = inclusion_proof(leaves, position)
            assert verify_inclusion(leaf=leaf, index=position, size=11, root=last.root, proof=proof)
        for head in heads:
            assert verify_consistency(
                first_size=head.size,
                first_root=head.root,
                second_size=last.size,
                second_root=last.root,
                proof=consistency_proof(leaves, head.size),
            )

    def test_the_audit_recomputes_the_head(self, journal: TestedJournal) -> None:
        journal.append([decided(0), decided(1)])
        journal.append([decided(2)])
        assert audit_tree(journal, location=journal.location) == journal.head()

    # --- all or nothing ----------------------------------------------------------------------

    def state_of(self, journal: Journal) -> object:
        rows = [journal.rows(model) for model in READ_MODELS]
        return journal.head(), list(journal.read()), list(journal.heads()), rows, journal.open_outbox()

    def assert_refused(self, journal: TestedJournal, batch: Sequence[Decided], field: str) -> JournalError:
        before = self.state_of(journal)
        with pytest.raises((JournalValueError, JournalConflictError)) as caught:
            journal.append(batch)
        assert caught.value.field.endswith(field)
        assert journal.location in str(caught.value)
        assert self.state_of(journal) == before
        journal.append([decided(99)])
        assert journal.head().size == audit_tree(journal, location=journal.location).size
        return caught.value

    @pytest.mark.parametrize(("field", "good", "changes"), INVALID)
    def test_an_entry_that_cannot_be_stored_is_refused(
        self, journal: TestedJournal, field: str, good: Decided, changes: dict[str, Any]
    ) -> None:
        bad = replace(good, entry=replace(good.entry, **changes))
        error = self.assert_refused(journal, [decided(1, rows=(row("a"),)), bad], f"batch[1].{field}")
        assert repr(next(iter(changes.values()))) in str(error)

    @pytest.mark.parametrize(("field", "changes"), INVALID_ROWS)
    def test_a_row_that_cannot_be_stored_is_refused(
        self, journal: TestedJournal, field: str, changes: dict[str, Any]
    ) -> None:
        bad = decided(1, rows=(row("a"), row("b", **changes)))
        self.assert_refused(journal, [bad], f"batch[0].rows[1].{field}")

    @pytest.mark.parametrize(("field", "changes"), INVALID_MESSAGES)
    def test_a_message_that_cannot_be_stored_is_refused(
        self, journal: TestedJournal, field: str, changes: dict[str, Any]
    ) -> None:
        bad = decided(1, outbox=(message("m", **changes),))
        self.assert_refused(journal, [decided(0, outbox=(message("n"),)), bad], f"batch[1].outbox[0].{field}")

    def test_a_message_id_given_twice_in_a_batch_is_refused(self, journal: TestedJournal) -> None:
        batch = [decided(0, outbox=(message("m"),)), decided(1, outbox=(message("m", body=b"2"),))]
        self.assert_refused(journal, batch, "batch[1].outbox[0].message_id")

    def test_a_message_id_given_earlier_is_refused_even_when_closed(self, journal: TestedJournal) -> None:
        journal.append([decided(0, outbox=(message("m"),))])
        journal.close_outbox(["m"])
        batch = [
            decided(1, rows=(row("a"),), outbox=(message("l"),)),
            decided(2, outbox=(message("m"), message("n"))),
        ]
        self.assert_refused(journal, batch, "outbox.message_id")
        assert list(journal.open_outbox()) == []

    def test_a_row_of_another_tenant_cannot_be_overwritten(self, journal: TestedJournal) -> None:
        journal.append([decided(0, rows=(row("a"), row("b", tenant="rival")))])
        batch = [decided(1, rows=(row("c"),)), decided(2, rows=(row("d"), row("b", status="done")))]
        error = self.assert_refused(journal, batch, "orders.key")
        assert "'b'" in str(error)
        assert journal.rows("orders", key="b") == [row("b", tenant="rival")]

    def test_a_row_of_another_tenant_cannot_be_deleted(self, journal: TestedJournal) -> None:
        journal.append([decided(0, rows=(row("b", tenant="rival"),))])
        self.assert_refused(journal, [decided(2, rows=(row("b", document=None),))], "orders.key")

    def test_a_tenant_cannot_change_within_a_batch(self, journal: TestedJournal) -> None:
        batch = [decided(0, rows=(row("a"),)), decided(1, rows=(row("a", tenant="rival"),))]
        self.assert_refused(journal, batch, "orders.key")

    # --- read models -------------------------------------------------------------------------

    @pytest.mark.parametrize("model", READ_MODELS)
    def test_rows_are_written_changed_and_deleted(self, journal: TestedJournal, model: ReadModel) -> None:
        first = row("a", model=model)
        journal.append([decided(0, rows=(first, row("b", model=model)))])
        changed = replace(first, status="awarded", updated_us=8, document=b"2")
        journal.append([decided(1, rows=(changed, row("b", model=model, document=None)))])
        assert list(journal.rows(model)) == [changed]
        assert all(not journal.rows(other) for other in READ_MODELS if other != model)

    def test_changes_of_one_batch_have_their_effect_in_order(self, journal: TestedJournal) -> None:
        gone = row("a", document=None)
        journal.append([decided(0, rows=(row("a"), gone, row("a", status="2"), row("a", status="3")))])
        assert list(journal.rows("orders")) == [row("a", status="3")]
        journal.append([decided(1, rows=(row("a", status="4"),)), decided(2, rows=(gone,))])
        assert list(journal.rows("orders")) == []

    def test_a_deleted_key_is_free_again(self, journal: TestedJournal) -> None:
        rival = row("a", tenant="rival")
        journal.append([decided(0, rows=(row("a"),))])
        journal.append([decided(1, rows=(row("a", document=None), rival))])
        assert list(journal.rows("orders")) == [rival]

    def test_deleting_what_is_not_there_does_nothing(self, journal: TestedJournal) -> None:
        journal.append([decided(0, rows=(row("a", document=None),))])
        assert list(journal.rows("orders")) == []
        assert journal.head().size == 1

    def test_rows_filter_by_tenant_status_and_key(self, journal: TestedJournal) -> None:
        rows = (
            row("a"),
            row("b", tenant="rival"),
            row("c", status="done"),
            row("d", tenant="rival", status="done"),
            row("e", tenant=""),
        )
        journal.append([decided(0, rows=rows)])
        assert keys(journal.rows("orders")) == ["a", "b", "c", "d", "e"]
        assert keys(journal.rows("orders", tenant="acme")) == ["a", "c"]
        assert keys(journal.rows("orders", tenant="rival", status="done")) == ["d"]
        assert keys(journal.rows("orders", status="done")) == ["c", "d"]
        assert keys(journal.rows("orders", tenant="")) == ["e"]
        assert keys(journal.rows("orders", status="")) == []
        assert keys(journal.rows("orders", key="a")) == ["a"]

    def test_another_tenants_row_does_not_exist_for_you(self, journal: TestedJournal) -> None:
        journal.append([decided(0, rows=(row("a", tenant="rival"), row("b")))])
        for query in ({}, {"key": "a"}, {"status": "calling"}, {"after": "A"}, {"key": "a", "after": ""}):
            found = journal.rows("orders", tenant="acme", **query)  # type: ignore[arg-type]
            assert "a" not in keys(found)
        for guess in ("acm", "acme ", "ACME", "%", "acme' OR '1'='1", "_cme"):
            assert list(journal.rows("orders", tenant=guess)) == []

    def test_rows_page_by_key_in_the_order_of_code_points(self, journal: TestedJournal) -> None:
        unordered = ["b", "B", "a", "Z", "10", "9", "ä", "z", "a-", "a.b", "\U0001f3ed", "\uffee", "_"]
        journal.append([decided(0, rows=tuple(row(key) for key in unordered))])
        pages, after = [], ""
        while page := journal.rows("orders", after=after, limit=5):
            pages.append(keys(page))
            after = page[-1].key
        assert [len(page) for page in pages] == [5, 5, 3]
        assert [key for page in pages for key in page] == sorted(unordered)
        assert keys(journal.rows("orders", key="a", after="a")) == []

    @pytest.mark.parametrize("limit", [0, -1, MAX_ROWS + 1])
    def test_a_limit_outside_its_range_is_refused(self, journal: TestedJournal, limit: int) -> None:
        with pytest.raises(JournalValueError, match=rf"limit must be in \[1, {MAX_ROWS}\]; was {limit}"):
            journal.rows("orders", limit=limit)

    def test_an_unknown_read_model_is_refused(self, journal: TestedJournal) -> None:
        with pytest.raises(JournalValueError, match=r"model must be one of orders, .*; was 'entries'"):
            journal.rows("entries")  # type: ignore[arg-type]

    def test_a_long_value_is_cut_in_the_message(self, journal: TestedJournal) -> None:
        error = self.assert_refused(journal, [decided(0, rows=(row("\0" * 500),))], "key")
        assert len(str(error)) < 400
        assert str(error).endswith("...")

    @pytest.mark.parametrize("field", ["tenant", "key", "status", "after"])
    def test_a_query_that_no_row_can_match_is_refused(self, journal: TestedJournal, field: str) -> None:
        with pytest.raises(JournalValueError, match=rf"query\.{field} must have no NUL or surrogate"):
            journal.rows("orders", **{field: "\ud800"})  # type: ignore[arg-type]

    def test_replacing_rows_rebuilds_every_read_model(self, journal: TestedJournal) -> None:
        journal.append([decided(0, rows=(row("a"), row("p", model="parts")), outbox=(message("m"),))])
        head = journal.head()
        rebuilt = (row("b", tenant="rival"), row("a", tenant="rival"), row("c", model="ledger"))
        journal.replace_rows(rebuilt)
        assert list(journal.rows("orders")) == [rebuilt[1], rebuilt[0]]
        assert list(journal.rows("parts")) == []
        assert list(journal.rows("ledger")) == [rebuilt[2]]
        assert journal.head() == head
        assert ids(journal.open_outbox()) == ["m"]
        journal.append([decided(1, rows=(row("a", tenant="rival", document=None),))])
        assert keys(journal.rows("orders")) == ["b"]

    @pytest.mark.parametrize(
        ("rows", "field"),
        [
            ((row("a"), row("b", document=None)), "rows[1].document"),
            ((row("a"), row("b"), row("a", tenant="rival")), "rows[2].key"),
            ((row("a\0"),), "rows[0].key"),
        ],
    )
    def test_a_bad_replacement_changes_nothing(
        self, journal: TestedJournal, rows: tuple[RowChange, ...], field: str
    ) -> None:
        journal.append([decided(0, rows=(row("z"),))])
        with pytest.raises((JournalValueError, JournalConflictError)) as caught:
            journal.replace_rows(rows)
        assert caught.value.field == field
        assert keys(journal.rows("orders")) == ["z"]

    # --- outbox ------------------------------------------------------------------------------

    def test_messages_stay_open_in_order_until_they_are_closed(self, journal: TestedJournal) -> None:
        journal.append([decided(0, outbox=(message("z"), message("a"))), decided(1, outbox=(message("m"),))])
        journal.append([decided(2, outbox=(message("b", channel="notice"),))])
        assert ids(journal.open_outbox()) == ["z", "a", "m", "b"]
        journal.close_outbox(["a", "b"])
        assert ids(journal.open_outbox()) == ["z", "m"]
        journal.close_outbox(["a", "unknown", "z"])
        assert ids(journal.open_outbox()) == ["m"]
        journal.close_outbox([])
        assert journal.open_outbox() == [message("m")]

    def test_an_id_that_cannot_be_is_refused(self, journal: TestedJournal) -> None:
        with pytest.raises(JournalValueError, match=r"message_ids\.1"):
            journal.close_outbox(["m", "\ud800"])

    # --- snapshots ---------------------------------------------------------------------------

    def test_the_newest_snapshot_is_returned(self, journal: TestedJournal) -> None:
        journal.append([decided(number) for number in range(4)])
        for size in (0, 2, 4, 1):
            journal.save_snapshot(snapshot(size, b'{"size":%d}' % size))
        assert journal.latest_snapshot() == snapshot(4, b'{"size":4}')
        journal.save_snapshot(snapshot(4, b'{"again":true}'))
        assert journal.latest_snapshot() == snapshot(4, b'{"again":true}')

    @pytest.mark.parametrize("size", [-1, 3])
    def test_a_snapshot_of_entries_that_are_not_stored_is_refused(
        self, journal: TestedJournal, size: int
    ) -> None:
        journal.append([decided(0), decided(1)])
        with pytest.raises(JournalValueError, match=rf"snapshot.size must be in \[0, 2\]; was {size}"):
            journal.save_snapshot(snapshot(size))
        assert journal.latest_snapshot() is None

    def test_a_snapshot_with_another_digest_is_refused(self, journal: TestedJournal) -> None:
        with pytest.raises(JournalValueError, match=r"snapshot.digest must be the SHA-256"):
            journal.save_snapshot(replace(snapshot(0), digest="0" * 64))

    # --- closing -----------------------------------------------------------------------------

    def test_a_closed_journal_refuses_everything(self, open_journal: OpenJournal) -> None:
        journal = open_journal()
        journal.append([decided(0)])
        journal.close()
        journal.close()
        calls: tuple[Callable[[], object], ...] = (
            lambda: journal.append([decided(1)]),
            lambda: journal.append([]),
            journal.head,
            lambda: list(journal.heads()),
            journal.leaves,
            lambda: list(journal.read()),
            lambda: journal.save_snapshot(snapshot(0)),
            journal.latest_snapshot,
            journal.open_outbox,
            lambda: journal.close_outbox(["m"]),
            lambda: journal.rows("orders"),
            lambda: journal.replace_rows([]),
        )
        for call in calls:
            with pytest.raises(JournalClosedError, match=r"journal .*: is closed"):
                call()


class StoredJournalContract(JournalContract):
    """What a journal that outlives its process must do in addition."""

    def test_everything_is_there_after_opening_again(self, open_journal: OpenJournal) -> None:
        rows = (row("a"), row("b", model="contracts"))
        with closing(open_journal()) as journal:
            journal.append([decided(0, rows=rows, outbox=(message("m"), message("n")))])
            journal.append([decided(1), decided(2)])
            journal.close_outbox(["m"])
            journal.save_snapshot(snapshot(3))
            stored, heads = list(journal.read()), list(journal.heads())
        with closing(open_journal()) as journal:
            assert list(journal.read()) == stored
            assert list(journal.heads()) == heads
            assert journal.head() == heads[-1]
            assert list(journal.rows("orders")) == [rows[0]]
            assert list(journal.rows("contracts")) == [rows[1]]
            assert ids(journal.open_outbox()) == ["n"]
            assert journal.latest_snapshot() == snapshot(3)
            _, head = journal.append([decided(3)])
            assert head.size == 4
            assert audit_tree(journal, location=journal.location) == head

    def test_the_tree_goes_on_over_stored_frontiers(self, open_journal: OpenJournal) -> None:
        leaves: list[bytes] = []
        for size in (4_095, 1, 1, 5_000):
            with closing(open_journal()) as journal:
                more, head = journal.append([decided(number) for number in range(size)])
                leaves.extend(more)
                assert head == TreeHead(size=len(leaves), root=root_of(leaves))
        with closing(open_journal()) as journal:
            assert journal.head() == TreeHead(size=9_097, root=root_of(leaves))

    def test_readers_see_a_batch_whole_or_not_at_all(self, open_journal: OpenJournal) -> None:
        stop = threading.Event()
        seen: set[int] = set()

        with closing(open_journal()) as journal:

            def watch() -> None:
                while not stop.is_set():
                    seen.add(len(journal.rows("orders")))

            thread = threading.Thread(target=watch)
            thread.start()
            for number in range(8):
                rows = tuple(row(f"{number}-{at}") for at in range(10))
                journal.append([decided(number, rows=rows)])
            stop.set()
            thread.join(timeout=30)
            assert not thread.is_alive()
        assert seen
        assert {size % 10 for size in seen} == {0}
