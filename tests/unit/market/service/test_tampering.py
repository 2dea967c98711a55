"""Every way to tamper with a log is found, and named for what it is.

Who tampers is given more and more: the tables, then the hashes, then the market's own key. What the last
can still do is caught by what others hold: signatures of participants, an earlier head, a receipt.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from market.adapters.codec import decode_envelope
from market.adapters.journal import open_journal
from market.adapters.journal_memory import MemoryJournal
from market.adapters.journal_reader import JournalReader
from market.engine.admission import OPERATOR
from market.engine.decision import Inbound
from market.errors import AuditError
from market.leaf import entry_leaf
from market.merkle import root_of
from market.model.commands import Command, PublishMarketKey, RotateKey
from market.ports import Decided, Entry, Journal, Stored, TreeHead
from market.service import signatures
from market.service.audit import Held, audit
from market.service.kernel import Kernel
from market.service.recovery import recover
from scenarios.verify_command import verify
from takt_sdk.codec import decode_reply, digest_of, encode
from takt_sdk.model.messages import DeclineCall, ParticipantCommand, Receipt, Reply
from takt_sdk.ports import RequestChannel
from takt_sdk.receipts import KeptReceipt, LogHead, receipt_to_json
from takt_sdk.signed_bus import SignedBus
from takt_sdk.signing import (
    KEY_HEADER,
    SIGNATURE_HEADER,
    Signer,
    head_bytes,
    is_signed,
    message_bytes,
    to_text,
)
from takt_sdk.wall_clock import OsEntropy
from tests.contract.journal_contract import FIRST_RELEASE
from tests.golden.golden_journal import FOLDER, GoldenJournal
from tests.signers import market_signer, signer_of
from tests.unit.market.service.small_market import (
    DEADLINE_S,
    MARKET,
    PLANTS,
    SmallMarket,
    accepted,
    order,
    sheet,
    until,
)
from tests.unit.market.service.test_signatures import Kept, envelope

FIRST = FOLDER / "smoke-engine-1.jsonl"
KEY = market_signer(MARKET).key


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log that was handed over: what `audit` reads."""

    entries: tuple[Stored, ...]
    stored_heads: tuple[TreeHead, ...]

    def read(self, start: int = 0) -> Iterator[Stored]:
        return iter(self.entries[start:])

    def heads(self) -> Iterator[TreeHead]:
        return iter(self.stored_heads)

    def head(self) -> TreeHead:
        return self.stored_heads[-1]

    def edited(self, position: int, **changes: object) -> Log:
        """Return the log with fields of one entry changed, and nothing else."""
        one = self.entries[position]
        entry = replace(one.entry, **changes)  # type: ignore[arg-type]
        return self.with_entries(
            [*self.entries[:position], replace(one, entry=entry), *self.entries[position + 1 :]]
        )

    def with_entries(self, entries: Sequence[Stored]) -> Log:
        return replace(self, entries=tuple(entries))

    def renumbered(self) -> Log:
        return self.with_entries([replace(one, position=at) for at, one in enumerate(self.entries)])

    def rehashed(self) -> Log:
        """Return the log with leaves and roots made to fit: what an intruder can do without a key."""
        entries = [replace(one, leaf=entry_leaf(one.entry, one.salt)) for one in self.renumbered().entries]
        leaves = [one.leaf for one in entries]
        heads = [head for head in self.stored_heads if head.size < len(leaves)]
        heads.append(replace(self.stored_heads[-1], size=len(leaves)))
        return Log(
            entries=tuple(entries),
            stored_heads=tuple(replace(head, root=root_of(leaves[: head.size])) for head in heads),
        )

    def resigned(self) -> Log:
        """Return the log rehashed and signed anew: what the market itself can do."""
        made = self.rehashed()
        signer = market_signer(MARKET)
        heads = [
            replace(head, signature=signer.sign(head_bytes(MARKET, head.size, head.root, head.at_us)))
            for head in made.stored_heads
        ]
        return replace(made, stored_heads=tuple(heads))


@dataclass(frozen=True, kw_only=True)
class Told:
    """A right log, and what participants hold of it."""

    log: Log
    receipts: tuple[KeptReceipt, ...]
    old_head: LogHead
    bid: int
    """Position of a plant's sheet."""
    rotated: int
    """Position at which that plant's key was rotated, after its sheet."""
    clearing: int
    """Position of the first clearing."""


async def say(
    small: SmallMarket, store: Kept, sender: str, channel: RequestChannel, body: ParticipantCommand
) -> Reply:
    """Send a signed message and keep its receipt."""
    key = market_signer(MARKET).key
    inner = small.broker.participant(sender)
    bus = SignedBus(inner, MARKET, sender, signer_of(sender), market_key=key, store=store)
    number = len(store.kept) + 1
    written = replace(decode_envelope(envelope(sender, body, message_id=f"m-{number}")), sequence=number)
    return decode_reply(await bus.request(channel, encode(written), timeout_s=DEADLINE_S))


async def tell(journal: Journal) -> Told:
    """Let a market run: two rounds, a rotated key, a plant that says two things under one number."""
    small, store = SmallMarket(journal=journal), Kept()
    async with small.running() as service:
        await say(small, store, "buyer", "order", order("k1"))
        await small.pass_time(service, 0)
        round_ = service.state_of().state.round
        assert round_ is not None
        for price, plant in enumerate(PLANTS):
            await say(small, store, plant, "bid", sheet(round_, plant, 900 + price))
        await until(lambda: round_.clearing_status is not None)
        head = journal.head()
        old = LogHead(
            market=MARKET,
            size=head.size,
            root=head.root.hex(),
            at_us=head.at_us,
            signature=to_text(head.signature),
        )
        await say(small, store, "rival", "order", order("k2"))
        await small.pass_time(service, 60)
        second = service.state_of().state.round
        assert second is not None
        for detail in ("one", "two"):
            decline = DeclineCall(round_id=second.id, code="other", detail=detail)
            await small.ask("bid", PLANTS[1], decline, sequence=1)
        signer = signer_of("second key")
        command = RotateKey(participant=PLANTS[0], signing_key=signer.key)
        rotation = await accepted(service, OPERATOR, command, "r-1")
        await say(small, store, "buyer", "order", order("k3"))
    return Told(
        log=Log(entries=tuple(journal.read()), stored_heads=tuple(journal.heads())),
        receipts=tuple(store.kept),
        old_head=old,
        bid=next(one.receipt.position for one in store.kept if one.participant == PLANTS[0]),
        rotated=rotation.position,
        clearing=next(
            one.position for one in journal.read() if b"takt.clearing_published.v1" in one.entry.events
        ),
    )


@pytest.fixture(scope="module")
def told() -> Told:
    return asyncio.run(tell(MemoryJournal(entropy=OsEntropy())))


def test_the_log_as_it_is_is_right_and_shows_who_said_two_things(told: Told) -> None:
    found = audit(told.log, held=Held(heads=(told.old_head,), receipts=told.receipts, market_key=KEY))
    assert found.entries == len(told.log.entries)
    assert found.signed == sum(bool(one.entry.signature) for one in told.log.entries) >= 7
    assert found.signed_heads == len(told.log.stored_heads)
    (seen,) = found.equivocations
    assert (seen.participant, seen.sequence) == (PLANTS[1], 1)
    for position in (seen.first_position, seen.second_position):
        entry = told.log.entries[position].entry
        data = message_bytes(MARKET, entry.source, PLANTS[1], entry.message)
        assert is_signed(signer_of(PLANTS[1]).key, entry.signature, data)


def other_price(entry: Entry) -> bytes:
    assert b"900" in entry.message
    return entry.message.replace(b"900", b"901")


def paid_more(told: Told) -> bytes:
    """Return the events of the clearing with a payment raised."""
    events = told.log.entries[told.clearing].entry.events
    changed = events.replace(b'"payment_minor":9', b'"payment_minor":19', 1)
    assert changed != events
    return changed


def message_of_clearing(told: Told, old: str, new: str) -> bytes:
    message = told.log.entries[told.clearing].entry.message
    changed = message.replace(old.encode(), new.encode(), 1)
    assert changed != message, old
    return changed


def signed_anew(told: Told, signer: Signer, sender: str) -> Log:
    """Return the log with the bid changed and signed by ``signer``."""
    one = told.log.entries[told.bid].entry
    message = other_price(one)
    signature = signer.sign(message_bytes(MARKET, "bid", sender, message))
    return told.log.edited(told.bid, message=message, key=signer.key, signature=signature)


def with_old_key_after_rotation(told: Told) -> Log:
    """Return the log with a message of the plant that its old key signed after the rotation."""
    old = told.log.entries[told.bid].entry
    late = replace(told.log.entries[-1], entry=replace(old, now_us=told.log.entries[-1].entry.now_us))
    return told.log.with_entries([*told.log.entries, late])


def without(log: Log, position: int) -> Log:
    return log.with_entries([*log.entries[:position], *log.entries[position + 1 :]])


def swapped(log: Log, first: int) -> Log:
    entries = list(log.entries)
    entries[first], entries[first + 1] = entries[first + 1], entries[first]
    return log.with_entries(entries)


def bad_head_signature(log: Log) -> Log:
    heads = list(log.stored_heads)
    heads[3] = replace(heads[3], signature=heads[4].signature)
    return replace(log, stored_heads=tuple(heads))


def cut(told: Told, size: int) -> Log:
    """Return the log cut to a size, heads and all: right in itself."""
    return Log(
        entries=told.log.entries[:size],
        stored_heads=tuple(head for head in told.log.stored_heads if head.size <= size),
    )


Case = tuple[str, Callable[[Told], Log], str]

CASES: tuple[Case, ...] = (
    # somebody with write access to the tables
    (
        "an edited message",
        lambda t: t.log.edited(t.bid, message=other_price(t.log.entries[t.bid].entry)),
        "edited",
    ),
    ("edited events", lambda t: t.log.edited(t.clearing, events=paid_more(t)), "edited"),
    ("an edited time", lambda t: t.log.edited(t.bid, now_us=1), "edited"),
    ("an edited signature", lambda t: t.log.edited(t.bid, signature=bytes(64)), "edited"),
    ("a signature taken away", lambda t: t.log.edited(t.bid, signature=b"", key=""), "edited"),
    ("another key named", lambda t: t.log.edited(t.bid, key=signer_of("x").key), "edited"),
    ("a dropped entry", lambda t: without(t.log, t.bid), "missing"),
    ("a dropped entry, numbers closed up", lambda t: without(t.log, t.bid).renumbered(), "tree"),
    ("two entries reordered", lambda t: swapped(t.log, t.bid).renumbered(), "tree"),
    ("the last entry cut off", lambda t: t.log.with_entries(t.log.entries[:-1]), "truncated"),
    (
        "the last head cut off",
        lambda t: replace(t.log, stored_heads=t.log.stored_heads[:-1]),
        "uncovered",
    ),
    (
        "an entry added",
        lambda t: t.log.with_entries([*t.log.entries, t.log.entries[-1]]).renumbered(),
        "uncovered",
    ),
    ("a head with another's signature", lambda t: bad_head_signature(t.log), "head"),
    # somebody who also makes the hashes fit
    (
        "an edited message, rehashed",
        lambda t: t.log.edited(t.bid, message=other_price(t.log.entries[t.bid].entry)).rehashed(),
        "head",
    ),
    ("a dropped entry, rehashed", lambda t: without(t.log, t.bid).rehashed(), "head"),
    # the market itself: it signs what it likes with its own key
    (
        "an edited message, signed by the market",
        lambda t: t.log.edited(t.bid, message=other_price(t.log.entries[t.bid].entry)).resigned(),
        "signature",
    ),
    (
        "a signature taken away, signed by the market",
        lambda t: t.log.edited(t.bid, signature=b"", key="").resigned(),
        "signature",
    ),
    ("a bid signed by a stranger", lambda t: signed_anew(t, signer_of("x"), PLANTS[0]).resigned(), "key"),
    (
        "a bid signed by its rival",
        lambda t: signed_anew(t, signer_of(PLANTS[1]), PLANTS[0]).resigned(),
        "key",
    ),
    (
        "a bid signed with its later key",
        lambda t: signed_anew(t, signer_of("second key"), PLANTS[0]).resigned(),
        "key",
    ),
    ("a message with a key whose term is over", lambda t: with_old_key_after_rotation(t).resigned(), "key"),
    ("two entries reordered, signed by the market", lambda t: swapped(t.log, t.bid).resigned(), "decision"),
    ("a sheet dropped, signed by the market", lambda t: without(t.log, t.bid).resigned(), "decision"),
    (
        "another payment, signed by the market",
        lambda t: t.log.edited(t.clearing, events=paid_more(t)).resigned(),
        "clearing",
    ),
    (
        "another objective, signed by the market",
        lambda t: t.log.edited(
            t.clearing, message=message_of_clearing(t, 'objective\\":', 'objective\\":1')
        ).resigned(),
        "clearing",
    ),
    (
        "another lottery, signed by the market",
        lambda t: t.log.edited(t.clearing, message=message_of_clearing(t, '"seed":', '"seed":1')).resigned(),
        "clearing",
    ),
)


@pytest.mark.parametrize(("name", "tamper", "kind"), CASES, ids=[name for name, _, _ in CASES])
def test_tampering_is_found_and_named(
    told: Told, name: str, tamper: Callable[[Told], Log], kind: str
) -> None:
    with pytest.raises(AuditError) as caught:
        audit(tamper(told))
    assert caught.value.kind == kind, f"{name}: {caught.value}"


def replaced_last(told: Told) -> Log:
    """Return the log whose last order is another of the same customer's, signed by it on another occasion."""
    last = told.log.entries[-1]
    message = last.entry.message.replace(b"k3", b"k4")
    signature = signer_of("buyer").sign(message_bytes(MARKET, "order", "buyer", message))
    state_before = cut(told, len(told.log.entries) - 1)
    kernel = Kernel(recover(journal_of(state_before)))
    written = decode_envelope(message)
    inbound = Inbound(
        sender="buyer",
        sequence=written.sequence,
        digest=digest_of(written.body),
        body=cast("Command", written.body),
        signed_by=signer_of("buyer").key,
    )
    handled = kernel.handle(inbound, last.entry.now_us, source="order", raw=message, signature=signature)
    assert handled.decided is not None
    other = replace(last, entry=handled.decided.entry)
    return told.log.with_entries([*told.log.entries[:-1], other]).resigned()


def journal_of(log: Log) -> MemoryJournal:
    journal = MemoryJournal(entropy=OsEntropy())
    journal.append([Decided(entry=one.entry) for one in log.entries])
    return journal


def forged(one: KeptReceipt) -> KeptReceipt:
    return replace(one, receipt=replace(one.receipt, position=one.receipt.position + 1))


HELD: tuple[tuple[str, Callable[[Told], Log], Callable[[Told], Held], str], ...] = (
    (
        "cut back to before the end",
        lambda t: cut(t, t.old_head.size - 1),
        lambda t: Held(heads=(t.old_head,)),
        "truncated",
    ),
    (
        "a fork that is right in itself",
        lambda t: cut(t, t.bid).resigned(),
        lambda t: Held(heads=(replace(t.old_head, size=t.bid, root="ab" * 32, signature=""),)),
        "fork",
    ),
    (
        "a log without the last bids",
        lambda t: cut(t, t.bid),
        lambda t: Held(receipts=t.receipts),
        "omitted",
    ),
    (
        "a message replaced by another, all signed anew",
        replaced_last,
        lambda t: Held(receipts=t.receipts),
        "omitted",
    ),
    (
        "a forged receipt",
        lambda t: t.log,
        lambda t: Held(receipts=(forged(t.receipts[0]),)),
        "receipt",
    ),
    (
        "a head that the market never signed",
        lambda t: t.log,
        lambda t: Held(heads=(replace(t.old_head, root="cd" * 32),)),
        "head",
    ),
    ("another market's key", lambda t: t.log, lambda _: Held(market_key=market_signer("x").key), "head"),
    (
        "a head of another market",
        lambda t: t.log,
        lambda t: Held(heads=(replace(t.old_head, market="x"),)),
        "head",
    ),
)


@pytest.mark.parametrize(("name", "tamper", "held", "kind"), HELD, ids=[name for name, *_ in HELD])
def test_what_others_hold_finds_what_the_log_hides(
    told: Told, name: str, tamper: Callable[[Told], Log], held: Callable[[Told], Held], kind: str
) -> None:
    log = tamper(told)
    with pytest.raises(AuditError) as caught:
        audit(log, held=held(told))
    assert caught.value.kind == kind, f"{name}: {caught.value}"


@pytest.mark.parametrize("name", ["cut back to before the end", "a log without the last bids"])
def test_only_what_others_hold_finds_a_log_that_was_cut(told: Told, name: str) -> None:
    tamper = next(tamper for known, tamper, _, _ in HELD if known == name)
    assert audit(tamper(told)).entries < len(told.log.entries)


def test_a_market_that_does_not_check_signatures_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: whatever stands in the header is taken for the sender's."""
    monkeypatch.setattr(signatures, "is_signed", lambda _key, _signature, _data: True)

    async def forge() -> MemoryJournal:
        journal = MemoryJournal(entropy=OsEntropy())
        small = SmallMarket(journal=journal)
        body = envelope("buyer", order("k"))
        headers = ((SIGNATURE_HEADER, to_text(bytes(64))), (KEY_HEADER, signer_of("buyer").key))
        async with small.running():
            bus = small.broker.participant("buyer")
            reply = decode_reply(await bus.request("order", body, timeout_s=DEADLINE_S, headers=headers))
        assert isinstance(reply, Receipt)
        return journal

    with pytest.raises(AuditError) as caught:
        audit(asyncio.run(forge()))
    assert caught.value.kind == "signature"


def test_a_market_may_change_its_key_and_heads_before_stay_right() -> None:
    async def changed() -> tuple[MemoryJournal, list[KeptReceipt]]:
        journal, store = MemoryJournal(entropy=OsEntropy()), Kept()
        small = SmallMarket(journal=journal)
        async with small.running():
            await say(small, store, "buyer", "order", order("k1"))
        new = market_signer("of later")
        async with small.running(signer=new) as service:
            await accepted(service, OPERATOR, PublishMarketKey(market_key=new.key), "p-1")
            await small.ask("order", "buyer", order("k2"), checked=False)
        return journal, store.kept

    journal, receipts = asyncio.run(changed())
    for key in (KEY, market_signer("of later").key):
        found = audit(journal, held=Held(receipts=tuple(receipts), market_key=key))
        assert found.signed_heads == len(list(journal.heads()))
    log = Log(entries=tuple(journal.read()), stored_heads=tuple(journal.heads()))
    with pytest.raises(AuditError) as caught:
        audit(log.resigned())  # with the old key, to the end
    assert caught.value.kind == "head"


# --- the command -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept_journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    path = tmp_path_factory.mktemp("market") / "journal.db"
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        return path, asyncio.run(tell(journal))


def run(*arguments: str | Path) -> tuple[int, str]:
    found = CliRunner().invoke(verify, [str(argument) for argument in arguments])
    return found.exit_code, found.output


def test_the_command_says_what_it_found_and_keeps_the_head(
    kept_journal: tuple[Path, Told], tmp_path: Path
) -> None:
    path, told = kept_journal
    before = path.read_bytes()
    receipt, head = tmp_path / "receipt.json", tmp_path / "head.json"
    receipt.write_bytes(receipt_to_json(told.receipts[1]))
    code, output = run(path, "--receipt", receipt, "--market-key", KEY, "--write-head", head)
    assert code == 0, output
    assert "equivocation: " + PLANTS[1] in output
    assert run(path, "--head", head)[0] == 0
    assert run(path, "--chain") == (0, output_of_chain(told))
    assert path.read_bytes() == before


def output_of_chain(told: Told) -> str:
    entries, heads = len(told.log.entries), told.log.stored_heads
    return f"right: {entries} entries, {len(heads)} heads\ntree   {heads[-1].root.hex()}\n"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            "UPDATE entries SET message = CAST(replace(CAST(message AS TEXT), '900', '901') AS BLOB)",
            "WRONG (edited)",
        ),
        ("DELETE FROM entries WHERE position = 4", "WRONG (missing): position 4 is missing"),
        ("DELETE FROM entries WHERE position > 9", "WRONG (truncated)"),
        ("DELETE FROM tree_heads WHERE size > 9", "WRONG (uncovered)"),
        ("UPDATE tree_heads SET root = x'00' WHERE size = 5", "WRONG (tree)"),
        ("UPDATE tree_heads SET signature = x'00' WHERE size = 5", "WRONG (head)"),
        ("UPDATE entries SET salt = x'00' WHERE position = 2", "WRONG (edited): entry 2"),
    ],
)
def test_the_command_names_what_is_wrong(
    kept_journal: tuple[Path, Told], tmp_path: Path, damage: str, said: str
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(kept_journal[0].read_bytes())
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(damage)
    code, output = run(copy)
    assert (code, said in output) == (1, True), output


def test_a_journal_of_the_first_release_is_verified_as_it_is(
    tmp_path: Path,
) -> None:
    """Without a signature column: nothing is upgraded, nothing is written."""
    old = tmp_path / "old.db"
    with closing(open_journal(old, entropy=OsEntropy())) as journal:
        journal.append([Decided(entry=one.entry) for one in GoldenJournal(FIRST).read()])
    with closing(sqlite3.connect(old)) as connection, connection:
        for statement in FIRST_RELEASE:
            connection.execute(statement)
    before = old.read_bytes()
    code, output = run(old)
    assert (code, "of another engine version" in output) == (0, True), output
    assert old.read_bytes() == before


@pytest.mark.parametrize("text", ["", "no database", "SQLite format 3"])
def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.db"
    path.write_text(text)
    code, output = run(path)
    assert (code, str(path) in output) == (1, True), output


def test_a_file_that_is_damaged_beside_its_log_is_said_to_be(
    kept_journal: tuple[Path, Told], tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(kept_journal[0].read_bytes())
    assert run(path)[0] == 0
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 200)
    code, output = run(path)
    assert (code, "DAMAGED" in output, "right: " in output) == (1, True, True), output


def test_a_live_journal_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(open_journal(path, entropy=OsEntropy())) as journal:
        told = asyncio.run(tell(journal))
        with JournalReader(path) as log:
            assert audit(log).entries == len(told.log.entries)
