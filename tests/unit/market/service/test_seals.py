"""A sealed round on the running market: opened after its close, void without its key, safe at every stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from market.adapters.codec import decode_events, state_digest
from market.adapters.escrow_keys import seeded_keys
from market.adapters.escrow_memory import MemoryEscrow
from market.engine.admission import OPERATOR
from market.errors import EscrowRefusedError
from market.model.commands import OpenMarket
from market.ports import CloseProof
from market.service.audit import audit
from market.service.clearing_worker import InlineClearer
from market.service.lottery import Lottery
from market.service.recovery import recover
from market.service.service import MarketService
from takt_sdk.mail import Mail, RefusedError
from takt_sdk.model.messages import DeclineCall, Receipt
from takt_sdk.model.values import MINUTE_US
from takt_sdk.role import Outgoing
from tests.signers import market_signer
from tests.unit.market.service.small_market import (
    DEADLINE_S,
    MARKET,
    RULES,
    SmallMarket,
    accepted,
    opening,
    order,
    sheet,
    states,
    until,
)

SEALED = replace(RULES, sealed=True, opening_us=5 * MINUTE_US)


class HeldEscrow(MemoryEscrow):
    """An escrow that can be held when it is asked for a key, or after it has given it away."""

    def __init__(self) -> None:
        super().__init__(seeded_keys(7), market_key=market_signer(MARKET).key)
        self.hold = ""
        self.reached = asyncio.Event()
        self.proofs: list[CloseProof] = []

    async def release(self, proof: CloseProof) -> str:
        await self._held("before release")
        key = await super().release(proof)
        self.proofs.append(proof)
        await self._held("after release")
        return key

    async def forget(self, market: str, round_id: str) -> None:
        await self._held("before forget")
        await super().forget(market, round_id)

    async def _held(self, place: str) -> None:
        if self.hold == place:
            self.reached.set()
            await asyncio.Event().wait()


@dataclass(kw_only=True)
class SealedMarket(SmallMarket):
    """`SmallMarket` with sealed bids and an escrow that outlives the market."""

    escrow: HeldEscrow = field(default_factory=HeldEscrow)

    @contextlib.asynccontextmanager
    async def sealed(self) -> AsyncIterator[MarketService]:
        """Run the market, opened if its journal is new."""
        service = MarketService(
            self.journal,
            self.broker.market(),
            clock=self.clock,
            clearer=InlineClearer(),
            lottery=Lottery(bytes(32)),
            escrow=self.escrow,
            signer=market_signer(MARKET),
            tick_s=None,
        )
        async with service:
            if not service.market:
                for number, command in enumerate(opening()):
                    body = replace(command, rules=SEALED) if isinstance(command, OpenMarket) else command
                    await accepted(service, OPERATOR, body, f"set-up-{number}")
            yield service

    async def called(self, service: MarketService) -> None:
        """Submit an order and have it called."""
        await accepted(service, "buyer", order("o1"), "m-1")
        await self.pass_time(service, 0)

    async def answer(self, service: MarketService, plant: str, price_minor: int | None) -> Receipt:
        """Answer the open call as the SDK does; None declines it."""
        round_ = service.state_of().state.round
        assert round_ is not None
        mail, bus = Mail(plant), self.bus(plant)
        mail.restore(await mail.query(bus, self.clock.now_us()))
        body = (
            DeclineCall(round_id=round_.id, code="dates")
            if price_minor is None
            else sheet(round_, plant, price_minor)
        )
        out = Outgoing(channel="bid", correlation_id=round_.id, body=body)
        return await mail.deliver(bus, out, self.clock.now_us(), "")


async def rested(service: MarketService) -> None:
    await until(lambda: service.is_settled or service.state_of().state.round is None)


def phase(service: MarketService) -> str:
    rounds = list(service.state_of().state.rounds.values())
    return rounds[-1].state


async def test_a_sealed_round_is_opened_after_its_close_and_its_key_deleted() -> None:
    market = SealedMarket()
    async with market.sealed() as service:
        await market.called(service)
        await market.answer(service, "anna", 900)
        await market.answer(service, "bert", None)
        await market.pass_time(service, 9)
        assert phase(service) == "open"
        await market.pass_time(service, 1)
        await until(lambda: phase(service) == "cleared")
        assert states(service) == {"o1": "awarded"}
        await until(lambda: not market.escrow.store.keys)
        (proof,) = market.escrow.proofs
        closes = [event.kind for event in decode_events(proof.close.entry.events)]
        assert "takt.round_closed.v1" in closes
        assert proof.head.size > proof.close.position
    assert audit(market.journal).clearings == 1


async def test_without_an_escrow_nothing_is_called_and_the_market_says_so() -> None:
    market = SealedMarket()
    market.escrow.is_dead = True
    async with market.sealed() as service:
        await market.called(service)
        assert not service.state_of().state.rounds
        health = await service.health()
        assert health.ready  # orders are taken and wait
        assert "no round is called: the escrow does not answer" in health.problems
        market.escrow.is_dead = False
        await market.pass_time(service, 1)
        assert phase(service) == "open"
        assert (await service.health()).problems == ()


async def test_a_round_whose_escrow_dies_is_void_by_rule_and_its_orders_are_called_again() -> None:
    market = SealedMarket()
    async with market.sealed() as service:
        await market.called(service)
        await market.answer(service, "anna", 900)
        market.escrow.is_dead = True
        await market.pass_time(service, 10)
        assert phase(service) == "opening"
        await until(lambda: bool(service._seals.trouble))
        assert "the bids of r-000001 cannot be opened" in (await service.health()).problems[0]
        await market.pass_time(service, 5)
        assert phase(service) == "void"
        assert states(service) == {"o1": "submitted"}
        market.escrow.is_dead = False
        await market.pass_time(service, 60)
        assert phase(service) == "open"
        await market.answer(service, "anna", 800)
        await market.pass_time(service, 10)
        await until(lambda: phase(service) == "cleared")
        assert states(service) == {"o1": "awarded"}
        await until(lambda: not market.escrow.store.keys)
    assert audit(market.journal).clearings == 1


async def test_a_sheet_that_would_be_refused_after_opening_is_not_sent() -> None:
    market = SealedMarket()
    async with market.sealed() as service:
        await market.called(service)
        round_ = service.state_of().state.round
        assert round_ is not None
        size = service.state_of().state.size
        with pytest.raises(RefusedError) as raised:
            await market.answer(service, "anna", SEALED.max_price_minor + 1)
        assert (raised.value.refused.code, raised.value.refused.field) == (
            "limit",
            "bids.fixed_price_minor[0]",
        )
        assert service.state_of().state.size == size


async def test_a_key_that_is_not_the_calls_opens_nothing() -> None:
    market = SealedMarket()
    async with market.sealed() as service:
        await market.called(service)
        await market.answer(service, "anna", 900)
        (name,) = market.escrow.store.keys
        market.escrow.store.keys[name] = "33" * 32
        await market.pass_time(service, 10)
        await until(lambda: "is not that of its call" in service._seals.trouble)
        await market.pass_time(service, 5)
        assert phase(service) == "void"


STOPS = ("before the close", "before release", "after release", "before forget", "after the opening")


@pytest.mark.parametrize("place", STOPS)
async def test_a_stop_anywhere_in_a_sealed_round_loses_and_doubles_nothing(place: str) -> None:
    market = SealedMarket()
    escrow = market.escrow
    escrow.hold = place
    async with market.sealed() as service:
        await market.called(service)
        await market.answer(service, "anna", 900)
        await market.answer(service, "bert", 700)
        if place != "before the close":
            await market.pass_time(service, 10)
            if place == "after the opening":
                await until(lambda: phase(service) != "opening")
            else:
                async with asyncio.timeout(DEADLINE_S):
                    await escrow.reached.wait()
    escrow.hold = ""
    async with market.sealed() as service:
        await market.pass_time(service, 0 if place != "before the close" else 10)
        await until(lambda: phase(service) == "cleared")
        state = service.state_of().state
        (contract,) = state.contracts.values()
        assert (contract.contract.participant, contract.contract.payment_minor) == ("bert", 700)
        await until(lambda: not escrow.store.keys)
    assert state_digest(recover(market.journal)) == state_digest(state)
    kinds = [event.kind for stored in market.journal.read() for event in decode_events(stored.entry.events)]
    for once in ("takt.round_closed.v1", "takt.seals_opened.v1", "takt.clearing_published.v1"):
        assert kinds.count(once) == 1
    assert kinds.count("takt.sealed_received.v1") == kinds.count("takt.answer_opened.v1") == 2
    assert len(escrow.store.released) == 1


async def test_the_escrow_refuses_what_does_not_prove_the_close() -> None:
    market = SealedMarket()
    async with market.sealed() as service:
        await market.called(service)
        await market.answer(service, "anna", 900)
        await market.pass_time(service, 10)
        await until(lambda: phase(service) == "cleared")
    escrow, (proof,) = HeldEscrow(), market.escrow.proofs
    await escrow.public_key(MARKET, proof.round_id)
    entries = list(market.journal.read())
    other = next(one for one in entries if one.position != proof.close.position)
    forged = replace(proof.close, entry=replace(proof.close.entry, now_us=0))
    for wrong in (
        replace(proof, close=forged),
        replace(proof, close=other),
        replace(proof, path=proof.path[:-1]),
        replace(proof, path=(*proof.path[:-1], bytes(32))),
        replace(proof, head=replace(proof.head, root=bytes(32))),
        replace(proof, head=replace(proof.head, signature=bytes(64))),
        replace(proof, head=replace(proof.head, at_us=proof.head.at_us + 1)),
        replace(proof, round_id="r-000002"),
        replace(proof, market="other"),
    ):
        with pytest.raises(EscrowRefusedError):
            await escrow.release(wrong)
    assert not escrow.store.released
    assert await escrow.release(proof)
    await escrow.forget(MARKET, proof.round_id)
    with pytest.raises(EscrowRefusedError, match="no key"):
        await escrow.release(proof)


async def test_an_answer_in_clear_is_refused_and_not_journaled() -> None:
    market = SealedMarket()
    async with market.sealed() as service:
        await market.called(service)
        reply = await market.bid(service, "anna", 123_454)
        assert reply.kind == "takt.refused.v1"
    assert not any(b"123454" in stored.entry.message for stored in market.journal.read())


async def test_the_reply_to_a_query_names_the_seal() -> None:
    market = SealedMarket()
    async with market.sealed() as service:
        await market.called(service)
        mail = Mail("anna")
        (call,) = (await mail.query(market.bus("anna"), 0)).calls
        assert len(call.sealing_key) == 64
        assert call.sealed_size == 4_096
