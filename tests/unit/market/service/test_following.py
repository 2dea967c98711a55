"""An auditor's copy of the log: who may have it, and that nothing wrong gets into it unseen."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from market.adapters.journal import open_journal
from market.adapters.journal_reader import JournalReader
from market.adapters.log_copy import LogCopy
from market.engine.admission import OPERATOR
from market.errors import AuditError
from market.journal_errors import JournalFormatError, JournalUnavailableError
from market.model.commands import (
    AdmitParticipant,
    ChangeRules,
    Command,
    PublishMarketKey,
    PublishNetwork,
    ReinstateParticipant,
    RevokeParticipant,
    SuspendParticipant,
)
from market.model.network import Network, Site
from market.ports import TreeHead
from market.service.audit import audit
from market.service.following import Following
from market.service.log_pages import PAGE_BYTES
from market.service.service import MarketService
from takt_sdk.model.errors import InvalidChoiceError
from takt_sdk.model.messages import Refused
from takt_sdk.model.proof import CommitHead, LogReply
from takt_sdk.signing import head_bytes, to_text
from takt_sdk.wall_clock import OsEntropy
from tests.signers import market_signer, signer_of
from tests.unit.market.service.small_market import (
    MARKET,
    NETWORK,
    PLANTS,
    RULES,
    SmallMarket,
    accepted,
    order,
    until,
)
from tests.unit.market.service.test_seals import SEALED, SealedMarket, phase

KEY = market_signer(MARKET).key
EVE = AdmitParticipant(participant="eve", roles=("auditor",), signing_key=signer_of("eve").key)
NAMED = ChangeRules(rules=replace(RULES, version=2, auditors=("eve",)))


class Audited:
    """A small market with an auditor, who has asked for a while."""

    def __init__(self, small: SmallMarket, service: MarketService) -> None:
        self.small, self.service = small, service

    async def ask(self, following: Following, name: str = "eve") -> LogReply | Refused:
        reply = await self.small.ask("query", name, following.query)
        assert isinstance(reply, LogReply | Refused)
        return reply

    async def page(self, following: Following) -> LogReply:
        reply = await self.ask(following)
        assert isinstance(reply, LogReply), reply
        return reply

    async def follow(self, following: Following, copy: LogCopy | None = None) -> int:
        """Take everything that there is; return how many pages it took."""
        pages = 0
        while not following.complete or not pages:
            entries, heads = following.take(await self.page(following))
            if copy is not None:
                copy.append(entries, heads)
            pages += 1
        following.complete = False
        return pages


@pytest.fixture
async def audited() -> AsyncIterator[Audited]:
    small = SmallMarket()
    async with small.running() as service:
        await accepted(service, OPERATOR, EVE, "eve")
        await accepted(service, OPERATOR, NAMED, "named")
        yield Audited(small, service)


def fresh(tmp_path: Path, key: str = KEY) -> Following:
    with LogCopy(tmp_path / "fresh.db") as copy:
        return Following(copy.chain(), market=MARKET, market_key=key)


async def test_the_log_is_copied_as_it_grows_and_the_copy_is_verified(
    audited: Audited, tmp_path: Path
) -> None:
    with LogCopy(tmp_path / "copy.db") as copy:
        following = Following(copy.chain(), market=MARKET, market_key=KEY)
        await audited.follow(following, copy)
        await accepted(audited.service, "buyer", order("k"), "o-1")
        await audited.service.tick(audited.small.clock.now_us())
        await audited.follow(following, copy)
    with LogCopy(tmp_path / "copy.db") as copy:  # as after a restart
        again = Following(copy.chain(), market=MARKET, market_key=KEY)
        assert (again.size, again.root) == (following.size, following.root)
        await audited.follow(again, copy)
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    with JournalReader(tmp_path / "copy.db") as log:
        found = audit(log)
        copied = [(one.entry, one.salt, one.leaf) for one in log.read()]
    journal = audited.small.journal
    assert copied == [(one.entry, one.salt, one.leaf) for one in journal.read()]
    assert found.root == journal.head().root
    assert found.signed_heads == found.entries > 8


async def test_only_an_admitted_auditor_whom_the_rules_name_may_read_it(
    audited: Audited, tmp_path: Path
) -> None:
    service, following = audited.service, fresh(tmp_path)
    await accepted(service, OPERATOR, replace(EVE, participant="mallory", signing_key=""), "mallory")
    for name in ("buyer", PLANTS[0]):
        reply = await audited.ask(following, name)
        assert isinstance(reply, Refused)
        assert (reply.code, reply.retryable) == ("not_allowed", False)
    rules = replace(RULES, version=3, auditors=("eve", "buyer"))
    await accepted(service, OPERATOR, ChangeRules(rules=rules), "buyer-named")
    assert isinstance(await audited.ask(following, "buyer"), Refused)  # named, but no auditor
    assert isinstance(await audited.ask(following), LogReply)
    steps: tuple[Command, ...] = (
        SuspendParticipant(participant="eve"),
        ReinstateParticipant(participant="eve"),
        ChangeRules(rules=replace(RULES, version=4)),
        ChangeRules(rules=replace(rules, version=5)),
        RevokeParticipant(participant="eve"),
    )
    for number, command in enumerate(steps):
        await accepted(service, OPERATOR, command, f"step-{number}")
        assert isinstance(await audited.ask(following), Refused if number % 2 == 0 else LogReply), command


def test_an_auditor_trades_nothing() -> None:
    with pytest.raises(InvalidChoiceError, match="an auditor reads everything and trades nothing"):
        replace(EVE, roles=("auditor", "plant"))


async def test_an_entry_that_no_reply_can_hold_comes_in_parts(audited: Audited, tmp_path: Path) -> None:
    sites = tuple(Site(id=f"site-{at}", name="x" * 200, country="DE") for at in range(3_000))
    network = Network(sites=(*NETWORK.sites, *sites), lanes=NETWORK.lanes)
    await accepted(audited.service, OPERATOR, PublishNetwork(network=network), "network")
    with LogCopy(tmp_path / "copy.db") as copy:
        following = Following(copy.chain(), market=MARKET, market_key=KEY)
        assert await audited.follow(following, copy) > 4
        large = max(len(one.entry.message) for one in audited.small.journal.read())
        assert large > PAGE_BYTES
        assert copy.chain().head.root == audited.small.journal.head().root


async def test_another_key_of_the_market_counts_from_its_entry_on(audited: Audited, tmp_path: Path) -> None:
    other = signer_of("another-market-key")
    await accepted(audited.service, OPERATOR, PublishMarketKey(market_key=other.key), "key")
    page = await audited.page(fresh(tmp_path))
    with pytest.raises(AuditError, match=f"is not signed by {other.key}"):
        fresh(tmp_path).take(page)  # the market signs on with the old key


async def test_a_log_that_goes_on_under_a_key_of_its_own_is_not_followed(
    audited: Audited, tmp_path: Path
) -> None:
    following = fresh(tmp_path)
    await audited.follow(following)
    size = following.size
    other = signer_of("mallory")
    await accepted(audited.service, OPERATOR, PublishMarketKey(market_key=other.key), "key")
    page = await audited.page(following)

    def resigned(head: CommitHead) -> CommitHead:
        data = head_bytes(MARKET, head.size, bytes.fromhex(head.root), head.at_us)
        return replace(head, signature=to_text(other.sign(data)))

    forged = replace(page, heads=tuple(map(resigned, page.heads)))
    with pytest.raises(AuditError, match=f"the market's key must be {KEY}") as found:
        following.take(forged)
    assert (found.value.kind, following.size) == ("head", size)
    whole = await audited.page(fresh(tmp_path))
    heads = (*whole.heads[:-1], resigned(whole.heads[-1]))
    confirmed = fresh(tmp_path, key=other.key)  # its auditor was told of the new key by other ways
    assert len(confirmed.take(replace(whole, heads=heads))[0]) == whole.size


def _edited(reply: LogReply) -> LogReply:
    first, *more = reply.entries
    return replace(reply, entries=(replace(first, message=first.message.replace("eve", "Eve") + " "), *more))


def _dropped(reply: LogReply) -> LogReply:
    return replace(reply, entries=reply.entries[1:])


def _reordered(reply: LogReply) -> LogReply:
    first, second, *more = reply.entries
    return replace(reply, entries=(second, first, *more))


def _salted(reply: LogReply) -> LogReply:
    return replace(reply, entries=(replace(reply.entries[0], salt="zz"), *reply.entries[1:]))


def _of_other_size(reply: LogReply) -> LogReply:
    return replace(reply, entries=(replace(reply.entries[0], salt="ab"), *reply.entries[1:]))


def _unsigned(reply: LogReply) -> LogReply:
    return replace(reply, heads=tuple(replace(head, signature="") for head in reply.heads))


def _of_another(reply: LogReply) -> LogReply:
    def resigned(head: CommitHead) -> CommitHead:
        data = head_bytes(MARKET, head.size, bytes.fromhex(head.root), head.at_us)
        return replace(head, signature=to_text(signer_of("mallory").sign(data)))

    return replace(reply, heads=tuple(resigned(head) for head in reply.heads))


def _elsewhere(reply: LogReply) -> LogReply:
    return replace(reply, start=reply.start + 1)


def _ahead(reply: LogReply) -> LogReply:
    return replace(reply, heads=(replace(reply.heads[-1], size=reply.size + 7),))


def _kept_back(reply: LogReply) -> LogReply:
    return replace(reply, entries=(), heads=())


def _no_part(reply: LogReply) -> LogReply:
    return replace(reply, entries=(), heads=(), part="", part_of=9)


def _too_long(reply: LogReply) -> LogReply:
    return replace(reply, entries=(), heads=(), part="YWJj", part_of=2)


def _unreadable(reply: LogReply) -> LogReply:
    return replace(reply, entries=(), heads=(), part="YWJj", part_of=3)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (_edited, "fork"),
        (_dropped, "fork"),
        (_reordered, "fork"),
        (_salted, "edited"),
        (_of_other_size, "edited"),
        (_unsigned, "head"),
        (_of_another, "head"),
        (_elsewhere, "missing"),
        (_ahead, "head"),
        (_kept_back, "missing"),
        (_no_part, "edited"),
        (_too_long, "edited"),
        (_unreadable, "edited"),
    ],
)
async def test_what_does_not_hash_to_a_signed_head_is_not_taken(
    audited: Audited, tmp_path: Path, spoil: Callable[[LogReply], LogReply], kind: str
) -> None:
    following = fresh(tmp_path)
    page = await audited.page(following)
    with pytest.raises(AuditError) as found:
        following.take(spoil(page))
    assert found.value.kind == kind


async def test_a_log_from_which_entries_were_taken_back_is_found(audited: Audited, tmp_path: Path) -> None:
    following = fresh(tmp_path)
    await audited.follow(following)
    page = await audited.page(following)
    with pytest.raises(AuditError, match="some were taken back") as found:
        following.take(replace(page, size=page.size - 1))
    assert found.value.kind == "truncated"


async def test_a_market_must_state_its_head_where_there_is_nothing_new(
    audited: Audited, tmp_path: Path
) -> None:
    following = fresh(tmp_path)
    await audited.follow(following)
    page = await audited.page(following)
    assert len(page.heads) == 1
    with pytest.raises(AuditError, match="no head is stated"):
        following.take(replace(page, heads=()))


async def test_another_head_over_the_same_entries_is_a_fork(audited: Audited, tmp_path: Path) -> None:
    following = fresh(tmp_path)
    await audited.follow(following)
    page = await audited.page(following)
    signer = market_signer(MARKET)
    other = TreeHead(size=page.size, root=bytes(32), at_us=1)
    signature = to_text(signer.sign(head_bytes(MARKET, other.size, other.root, other.at_us)))
    head = CommitHead(size=other.size, root=other.root.hex(), at_us=1, signature=signature)
    with pytest.raises(AuditError) as found:
        following.take(replace(page, heads=(head,)))
    assert found.value.kind == "fork"


async def test_the_log_of_another_market_is_not_taken_for_this_one(audited: Audited, tmp_path: Path) -> None:
    stranger = signer_of("stranger").key
    with pytest.raises(AuditError, match="the market's key must be"):
        await audited.follow(fresh(tmp_path, key=stranger))


async def test_entries_without_a_head_are_not_stored(audited: Audited, tmp_path: Path) -> None:
    with LogCopy(tmp_path / "copy.db") as copy:
        following = Following(copy.chain(), market=MARKET, market_key=KEY)
        page = await audited.page(following)
        copy.append(*following.take(replace(page, heads=page.heads[:3])))
        assert len(copy.chain().leaves) == 3
        assert following.query.start == page.size


async def test_a_copy_that_was_touched_is_not_gone_on_with(audited: Audited, tmp_path: Path) -> None:
    with LogCopy(tmp_path / "copy.db") as copy:
        await audited.follow(Following(copy.chain(), market=MARKET), copy)
        with closing(sqlite3.connect(tmp_path / "copy.db")) as own, own:
            own.execute("UPDATE entries SET now_us = now_us + 1 WHERE position = 2")
        with pytest.raises(AuditError) as found:
            copy.chain()
    assert (found.value.kind, found.value.position) == ("edited", 2)


def test_a_file_that_is_no_copy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(JournalUnavailableError, match="not a database"), LogCopy(tmp_path / "text.db"):
        pass
    with pytest.raises(JournalUnavailableError, match="No such file"), LogCopy(tmp_path / "no" / "folder.db"):
        pass


def test_a_markets_own_journal_is_not_written_to(tmp_path: Path) -> None:
    open_journal(tmp_path / "journal.db", entropy=OsEntropy()).close()
    with pytest.raises(JournalFormatError, match="a market's own journal"), LogCopy(tmp_path / "journal.db"):
        pass


async def test_sealed_bids_are_ciphertext_to_an_auditor_until_the_round_is_opened(tmp_path: Path) -> None:
    market, price = SealedMarket(), 98_765
    async with market.sealed() as service:
        await accepted(service, OPERATOR, EVE, "eve")
        rules = replace(SEALED, version=2, auditors=("eve",))
        await accepted(service, OPERATOR, ChangeRules(rules=rules), "named")
        audited, following, copy = Audited(market, service), fresh(tmp_path), LogCopy(tmp_path / "copy.db")

        async def read() -> bytes:
            await audited.follow(following, copy)
            with JournalReader(tmp_path / "copy.db") as log:
                return b"".join(one.entry.message + one.entry.events for one in log.read())

        await market.called(service)
        await market.answer(service, PLANTS[0], price)
        before = await read()
        assert b"takt.sealed_sheet.v1" in before
        assert str(price).encode() not in before
        await market.pass_time(service, 10)
        await until(lambda: phase(service) == "cleared")
        assert str(price).encode() in await read()
        with JournalReader(tmp_path / "copy.db") as log:
            assert audit(log).clearings == 1


async def test_the_present_head_covers_what_no_commits_head_does(audited: Audited, tmp_path: Path) -> None:
    following = fresh(tmp_path)
    page = await audited.page(following)
    assert following.take(replace(page, heads=())) == ((), ())
    entries, heads = following.take(await audited.page(following))
    assert (len(entries), [head.size for head in heads]) == (page.size, [page.size])


async def test_entries_that_no_head_ever_covers_are_told(audited: Audited, tmp_path: Path) -> None:
    following = fresh(tmp_path)
    page = await audited.page(following)
    following.take(replace(page, heads=()))
    present = await audited.page(following)
    with pytest.raises(AuditError) as found:
        following.take(replace(present, heads=page.heads[:2]))
    assert found.value.kind == "uncovered"
