"""docs/journal.md: its worked example is what the code does, its program runs, its names exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from market import journal_errors
from market.adapters.journal import open_journal
from market.adapters.journal_schema import METADATA
from market.leaf import encode_entry, entry_leaf
from market.ports import Decided, Entry
from tests.contract.journal_contract import SIGNED, CountingEntropy, decided
from tests.contract.test_journal_sqlite import execute

PAGE = (Path(__file__).parents[2] / "docs" / "journal.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def example() -> Entry:
    fields = json.loads(blocks("json")[0])
    fields["message"] = fields["message"].encode()
    fields["events"] = fields["events"].encode()
    return Entry(**fields)


def test_the_documented_bytes_are_the_encoding() -> None:
    documented = bytes.fromhex(blocks("text")[0].replace("\n", ""))
    assert encode_entry(example()) == documented


def test_the_documented_leaf_follows_from_the_documented_bytes() -> None:
    salt = bytes(range(16))
    assert salt.hex() in PAGE
    leaf = bytes.fromhex(blocks("text")[1].strip())
    documented = bytes.fromhex(blocks("text")[0].replace("\n", ""))
    assert sha256(b"\x00" + salt + documented).digest() == leaf
    assert entry_leaf(example(), salt) == leaf


def run_program(journal: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", blocks("python")[0], str(journal)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_documented_program_recomputes_a_live_journal(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    with closing(open_journal(path, entropy=CountingEntropy())) as journal:
        for size in (1, 5, 2):
            journal.append([decided(number) for number in range(size)])
        journal.append([Decided(entry=SIGNED)])
        run = run_program(path)
        assert run.stderr == ""
        assert run.stdout == f"9 entries, {journal.head().root.hex()}\n"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE entries SET source = 'rival' WHERE position = 3", "entry 3 was changed"),
        ("DELETE FROM entries WHERE position = 7", "the tree head of size 8 does not cover its entries"),
    ],
)
def test_the_documented_program_sees_a_change(tmp_path: Path, statement: str, message: str) -> None:
    path = tmp_path / "market.db"
    with closing(open_journal(path, entropy=CountingEntropy())) as journal:
        journal.append([decided(number) for number in range(8)])
    execute(path, statement)
    assert message in run_program(path).stderr


def test_every_table_and_only_tables_are_documented() -> None:
    section = PAGE.partition("## Tables")[2].partition("## The leaf")[0]
    named: set[str] = set()
    for row in re.findall(r"^\| (`[^|]*) \|", section, flags=re.MULTILINE):
        named.update(re.findall(r"`(\w+)`", row))
    assert named == set(METADATA.tables)


def test_every_error_that_is_named_exists() -> None:
    named = set(re.findall(r"`(Journal\w+Error)`", PAGE))
    assert len(named) >= 6
    assert all(hasattr(journal_errors, name) for name in named)
