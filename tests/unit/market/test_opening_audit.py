"""The audit opens every sealed answer again and finds whatever the market made of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from market.adapters.codec import decode_envelope
from market.adapters.journal_memory import MemoryJournal
from market.engine.admission import HOST
from market.errors import ReplayError
from market.model.commands import OpenedSeal, OpenSeals
from market.ports import Decided
from market.service.audit import audit
from market.service.kernel import Kernel
from market.service.recovery import recover
from scenarios.simulator import SeededEntropy
from takt_sdk.model.messages import DeclineCall
from takt_sdk.model.sheet import BidSheet
from tests.unit.market.engine.market import Offer, sheet
from tests.unit.market.engine.test_sealing import SealedMarket


def closed() -> SealedMarket:
    """Return a market whose sealed round waits to be opened: one bid, one refusal."""
    market = SealedMarket()
    market.order("o1")
    market.tick()
    lot = market.lot("o1", "mill")
    offer = sheet(market.round.id, {"b1": Offer(lots={lot: 10}, price=300)}, site="bonn")
    market.accept("mill-a", market.send("mill-a", offer), sequence=1)
    decline = DeclineCall(round_id=market.round.id, code="dates")
    market.accept("mill-b", market.send("mill-b", decline), sequence=1)
    market.tick(market.round.deadline_us)
    return market


def test_what_was_sealed_is_what_was_opened() -> None:
    market = closed()
    market.accept(HOST, market.opening())
    _, report = market.solve()
    market.accept(HOST, report)
    assert audit(market.journal).clearings == 1


def _cheaper(seal: OpenedSeal) -> OpenedSeal:
    """Return a bid as a host would like it: a little below."""
    assert isinstance(seal.answer, BidSheet)
    bids = replace(seal.answer.bids, fixed_price_minor=(299,))
    return replace(seal, answer=replace(seal.answer, bids=bids))


def _lost(seal: OpenedSeal) -> OpenedSeal:
    return replace(seal, answer=None, code="malformed", detail="sorry")


@pytest.mark.parametrize("forge", [_cheaper, _lost])
def test_a_host_that_makes_something_else_of_an_answer_is_found(
    forge: Callable[[OpenedSeal], OpenedSeal],
) -> None:
    market = closed()
    opening = market.opening()
    forged = replace(opening, answers=(forge(opening.answers[0]), *opening.answers[1:]))
    market.accept(HOST, forged)  # the engine cannot decrypt; whoever audits can
    with pytest.raises(ReplayError, match=r"states other answers than the ciphertexts of r-000001 hold"):
        audit(market.journal)


def test_a_host_that_names_another_key_is_found() -> None:
    market = closed()
    market.accept(HOST, replace(market.opening(), private_key="44" * 32))
    with pytest.raises(ReplayError, match="opens r-000001 with a wrong key"):
        audit(market.journal)


def test_the_opening_alone_is_in_the_journal_and_no_plaintext_before() -> None:
    market = closed()
    before = b"".join(s.entry.message + s.entry.events for s in market.journal.read())
    assert b"fixed_price_minor" not in before
    assert b"decline_call" not in before
    market.accept(HOST, market.opening())
    (entry,) = market.journal.read(market.state.size - 1)
    assert isinstance(decode_envelope(entry.entry.message).body, OpenSeals)


def test_a_journal_without_the_opening_folds_and_waits() -> None:
    market = closed()
    copied = MemoryJournal(entropy=SeededEntropy(2))
    copied.append([Decided(entry=stored.entry) for stored in market.journal.read()])
    assert Kernel(recover(copied)).state.rounds["r-000001"].state == "opening"
    assert audit(copied).clearings == 0
