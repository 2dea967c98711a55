"""A market's backup: a folder with one consistent copy of its journal, its keys, and what it holds.

Made while the market runs, put back while it does not. Never deletes a journal: what is replaced is moved
aside.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from market.adapters.journal_reader import JournalReader
from market.journal_errors import JournalError
from market.leaf import entry_leaf
from market.merkle import Frontier
from scenarios.errors import RunError
from scenarios.market_folder import MarketFolder

HEAD = "backup.json"
_TRANSIENT = frozenset({"market.json", HEAD})
_STORE = frozenset({"store"})
"""Folders of nats-server whose content the journal's outbox makes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A tree head: what a journal of at least this size must have as its root there (hex)."""

    size: int
    root: str


def back_up(folder: MarketFolder, target: Path, *, keys: bool = True) -> Head:
    """Copy journal and keys of a market, running or not, into a new folder; return the copy's head.

    Raises
    ------
    RunError
        If ``target`` exists, or the copy is not whole.
    """
    if target.exists():
        raise RunError(f"the backup must be a new folder; {target} exists")
    if not folder.journal.exists():
        raise RunError(f"there is no journal in {folder.path}")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    try:
        _copy_journal(folder.journal, partial / folder.journal.name)
        head = checked_head(partial / folder.journal.name)
        if keys:
            _copy_rest(folder, partial)
        (partial / HEAD).write_text(json.dumps(asdict(head)) + "\n")
        partial.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise RunError(f"no backup was made: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return head


def restore(
    backup: Path, folder: MarketFolder, *, known: Head | None = None, lose_newer: bool = False
) -> tuple[Head, Path | None]:
    """Put a backup into a market's folder; return its head, and where the journal that was there is now.

    Raises
    ------
    RunError
        If a market runs there; if the backup is damaged, forked from, or older than ``known`` or than the
        journal that is there, unless ``lose_newer``. Nothing is changed then.
    """
    if folder.read_address() is not None:
        raise RunError(f"a market runs in {folder.path}: stop it first")
    journal = backup / folder.journal.name
    if not journal.exists():
        raise RunError(f"{backup} holds no {folder.journal.name}")
    head = checked_head(journal)
    for one in (known, _head_there(folder)):
        if one is not None:
            _check_known(journal, head, one, lose_newer=lose_newer)
    folder.path.mkdir(parents=True, exist_ok=True)
    aside = _move_aside(folder)
    for file in backup.iterdir():
        if file.name not in _TRANSIENT:
            into = folder.path / file.name
            if file.is_dir():
                shutil.copytree(file, into, dirs_exist_ok=True)
            elif not into.exists() or file == journal:
                shutil.copy2(file, into)
    return head, aside


def checked_head(journal: Path) -> Head:
    """Return the head of a journal whose leaves were all computed again.

    Raises
    ------
    RunError
        Naming the first position that is wrong.
    """
    try:
        with JournalReader(journal) as reader:
            frontier = Frontier()
            for stored in reader.read():
                if stored.position != frontier.size or entry_leaf(stored.entry, stored.salt) != stored.leaf:
                    raise RunError(f"{journal} is damaged at position {frontier.size}")
                frontier = frontier.extend([stored.leaf])
            head = reader.head()
    except JournalError as error:
        raise RunError(f"{journal} is not whole: {error}") from error
    if (head.size, head.root) != (frontier.size, frontier.root()):
        raise RunError(f"{journal} does not hash to its tree head of size {head.size}")
    return Head(size=head.size, root=head.root.hex())


def _check_known(journal: Path, head: Head, known: Head, *, lose_newer: bool) -> None:
    if head.size < known.size:
        if not lose_newer:
            raise RunError(
                f"the backup has {head.size} entries and {known.size} are known: "
                f"{known.size - head.size} acknowledged ones would be lost (or: --lose-newer)"
            )
        return
    with JournalReader(journal) as reader:
        leaves = [stored.leaf for stored in islice(reader.read(), known.size)]
    root = Frontier().extend(leaves).root().hex()
    if root != known.root:
        raise RunError(f"the backup is another history: its first {known.size} entries are not those known")


def _head_there(folder: MarketFolder) -> Head | None:
    """Return the head of the journal in a folder; None where there is none that can be read."""
    if not folder.journal.exists():
        return None
    try:
        with JournalReader(folder.journal) as reader:
            head = reader.head()
    except JournalError:
        return None
    return Head(size=head.size, root=head.root.hex())


def _move_aside(folder: MarketFolder) -> Path | None:
    """Move the journal that is there, and the store of nats-server, which knows a later history."""
    number = 1
    while (aside := folder.path / f"replaced-{number}").exists():
        number += 1
    files = [
        folder.journal,
        *(folder.journal.with_name(folder.journal.name + end) for end in ("-wal", "-shm")),
    ]
    moved = [file for file in (*files, *(folder.nats / name for name in sorted(_STORE))) if file.exists()]
    if not moved:
        return None
    aside.mkdir()
    for file in moved:
        file.rename(aside / file.name)
    return aside


def _copy_journal(journal: Path, target: Path) -> None:
    """Copy a SQLite journal as of one moment; its writer may go on."""
    source = sqlite3.connect(f"file:{quote(str(journal.resolve()))}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = delete")
    target.chmod(0o600)


def _copy_rest(folder: MarketFolder, target: Path) -> None:
    """Copy keys, ports and the server's claims; not the journal, nor what the server can lose.

    Nor the escrow's keys: together with the journal they would open sealed bids. A round that loses them is
    void and called again.
    """
    for file in folder.path.iterdir():
        skip = file.name in _TRANSIENT | {folder.escrow.name} or file.name.startswith(
            (folder.journal.name, "replaced-")
        )
        if skip:
            continue
        if file.is_dir():
            shutil.copytree(file, target / file.name, ignore=_ignored)
        else:
            shutil.copy2(file, target / file.name)


def _ignored(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name in _STORE or name.endswith((".log", ".pid"))}
