"""SQLite, opened again at any step, and memory give the same answers to the same calls."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from market.adapters.journal import open_journal
from market.adapters.journal_audit import audit_tree
from market.adapters.journal_memory import MemoryJournal
from market.adapters.journal_sql import SqlJournal
from market.adapters.journal_sqlite import SqliteSettings
from market.journal_errors import JournalError
from market.ports import Decided, Entry, OutboxMessage, ReadModel, RowChange, Snapshot

MODELS: tuple[ReadModel, ...] = ("orders", "parts")
NAMES = st.sampled_from(("a", "b", "ä", "B"))
TENANTS = st.sampled_from(("acme", "rival"))
STATUSES = st.sampled_from(("open", "done"))

entries = st.builds(
    Entry,
    now_us=st.integers(min_value=-(2**63), max_value=2**63 - 1),
    source=st.text(max_size=3),
    message=st.binary(max_size=4),
    events=st.binary(max_size=4),
    engine_version=st.just("0.1.0"),
    rules_version=st.integers(min_value=0, max_value=3),
)
rows = st.builds(
    RowChange,
    model=st.sampled_from(MODELS),
    key=NAMES,
    tenant=TENANTS,
    status=STATUSES,
    updated_us=st.integers(min_value=0, max_value=9),
    document=st.none() | st.binary(max_size=3),
)
messages = st.builds(
    OutboxMessage,
    message_id=st.integers(min_value=0, max_value=60).map(str),
    channel=st.sampled_from(("cfp", "notice", "tape")),
    participant=NAMES,
    body=st.binary(max_size=3),
)
batches = st.lists(
    st.builds(
        Decided,
        entry=entries,
        rows=st.lists(rows, max_size=4).map(tuple),
        outbox=st.lists(messages, max_size=2).map(tuple),
    ),
    max_size=4,
)


class SameEntropy:
    """Journals draw salts at different moments when they refuse; here every salt is the same."""

    def token(self, size: int) -> bytes:
        return b"s" * size


@dataclass(frozen=True)
class Refused:
    error: type[JournalError]
    field: str


def outcome(journal: SqlJournal | MemoryJournal, method: str, *arguments: object) -> object:
    try:
        return getattr(journal, method)(*arguments)
    except JournalError as error:
        return Refused(type(error), getattr(error, "field", ""))


class TwoJournals(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._path = Path(folder) / "market.db"
        self.memory = MemoryJournal(entropy=SameEntropy())
        self._open()

    def _open(self) -> None:
        self.sql = open_journal(self._path, entropy=SameEntropy(), sqlite=SqliteSettings(durable=False))

    def both(self, method: str, *arguments: object) -> None:
        left, right = outcome(self.sql, method, *arguments), outcome(self.memory, method, *arguments)
        assert left == right

    @rule(batch=batches)
    def append(self, batch: list[Decided]) -> None:
        self.both("append", batch)

    @rule(changes=st.lists(rows, max_size=6))
    def replace_rows(self, changes: list[RowChange]) -> None:
        self.both("replace_rows", changes)

    @rule(numbers=st.lists(st.integers(min_value=0, max_value=60).map(str), max_size=9))
    def close_outbox(self, numbers: list[str]) -> None:
        self.both("close_outbox", numbers)

    @rule(size=st.integers(min_value=-1, max_value=12), state=st.binary(max_size=3))
    def save_snapshot(self, size: int, state: bytes) -> None:
        self.both("save_snapshot", Snapshot(size=size, state=state, digest=sha256(state).hexdigest()))

    @rule(
        start=st.integers(min_value=-1, max_value=9), stop=st.none() | st.integers(min_value=-1, max_value=9)
    )
    def read_a_range(self, start: int, stop: int | None) -> None:
        for method in ("read", "heads", "leaves"):
            left, right = outcome(self.sql, method, start, stop), outcome(self.memory, method, start, stop)
            assert isinstance(left, Refused) == isinstance(right, Refused)
            if not isinstance(left, Refused):
                assert list(left) == list(right)  # type: ignore[call-overload]

    @rule(
        model=st.sampled_from(MODELS),
        tenant=st.none() | TENANTS,
        key=st.none() | NAMES,
        status=st.none() | STATUSES,
        after=st.just("") | NAMES,
        limit=st.integers(min_value=0, max_value=4),
    )
    def query(self, model: ReadModel, limit: int, **filters: Any) -> None:  # noqa: ANN401 - text or None
        results: list[object] = []
        for journal in (self.sql, self.memory):
            try:
                results.append(list(journal.rows(model, limit=limit, **filters)))
            except JournalError as error:
                results.append(type(error))
        assert results[0] == results[1]

    @rule()
    @precondition(lambda self: self.memory.head().size > 0)
    def open_again(self) -> None:
        self.sql.close()
        self._open()

    @invariant()
    def they_hold_the_same(self) -> None:
        for method in ("head", "latest_snapshot", "open_outbox"):
            self.both(method)
        for model in MODELS:
            assert list(self.sql.rows(model)) == list(self.memory.rows(model))

    def teardown(self) -> None:
        if hasattr(self, "sql"):
            assert list(self.sql.read()) == list(self.memory.read())
            assert audit_tree(self.sql, location="sql") == audit_tree(self.memory, location="memory")
            self.sql.close()
            self._stack.close()


TestTwoJournals = TwoJournals.TestCase
TestTwoJournals.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
