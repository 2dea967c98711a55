"""What must hold of a journal that `tests.integration.journal_writer` wrote, whatever happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from market.adapters.journal import open_journal
from market.adapters.journal_audit import audit_tree
from market.ports import RowChange, TreeHead
from takt_sdk.wall_clock import OsEntropy
from tests.integration.journal_writer import numbered


@dataclass(frozen=True)
class Told:
    """What a writer said on its standard output."""

    acknowledged: tuple[TreeHead, ...]
    failed: tuple[str, ...]


def told(output: str) -> Told:
    """Read a writer's output; a last line that was cut by its death was not said."""
    acknowledged: list[TreeHead] = []
    failed: list[str] = []
    for line in output.splitlines(keepends=True):
        if line.endswith("\n"):
            word, *values = line.split()
            if word == "ack":
                acknowledged.append(TreeHead(size=int(values[0]), root=bytes.fromhex(values[1])))
            elif word == "failed":
                failed.append(values[0])
    return Told(tuple(acknowledged), tuple(failed))


def assert_kept(path: Path, acknowledged: Sequence[TreeHead]) -> int:
    """Open the journal: all that was acknowledged is there, once; return its size."""
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        head = audit_tree(journal, location=journal.location)
        heads = {kept.size: kept for kept in journal.heads()}
        for one in acknowledged:
            assert heads.get(one.size) == one
        entries = [stored.entry for stored in journal.read()]
        assert entries == [numbered(number).entry for number in range(head.size)]
        rows: list[RowChange] = []
        after = ""
        while page := journal.rows("orders", after=after):
            rows.extend(page)
            after = page[-1].key
        assert rows == [numbered(number).rows[0] for number in range(head.size)]
        assert list(journal.open_outbox()) == [numbered(number).outbox[0] for number in range(head.size)]
        return head.size
