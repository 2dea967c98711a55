"""The journal contract over memory."""

from __future__ import annotations

import pytest

from market.adapters.journal_memory import MemoryJournal
from tests.contract.journal_contract import CountingEntropy, JournalContract, OpenJournal


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def open_journal(self) -> OpenJournal:
        journal = MemoryJournal(entropy=CountingEntropy())
        return lambda: journal
