"""Sealed rounds: what the engine looks at before the close, and what opened answers come to."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from market.adapters.escrow_keys import EscrowKeys, MemoryKeyStore, seeded_keys
from market.engine.admission import HOST, OPERATOR
from market.engine.decision import Refusal, Repeated
from market.engine.rounds import key_due
from market.engine.sealing import NO_KEY
from market.model.commands import OpenSeals, PublishNetwork, VoidClearing
from market.service.opening import close_proof, opened_answers
from takt_sdk.codec import decode_envelope
from takt_sdk.model.capability import Qualification
from takt_sdk.model.messages import BidsRefused, CallForProposals, DeclineCall, RoundResult, Tick
from takt_sdk.model.sealed import SEALED_SIZES, SealedSheet, smallest_size
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, MINUTE_US
from takt_sdk.sealing import SealedAnswer, public_key, seal
from tests.unit.market.engine.market import RULES, START_US, Market, Offer, cancellation, sheet

SEALED = replace(RULES, sealed=True, opening_us=5 * MINUTE_US)


class SealedMarket(Market):
    """A market whose bids are sealed."""

    def __init__(self) -> None:
        self.escrow = EscrowKeys(MemoryKeyStore(), seeded_keys(7))
        super().__init__(rules=SEALED)

    def tick(self, now_us: int | None = None) -> None:
        self.now_us = max(self.now_us, self.now_us if now_us is None else now_us)
        while True:
            due = key_due(self.state, self.now_us)
            key = self.escrow.public_key("test", due) if due else ""
            tick = Tick(now_us=self.now_us, sealing_round=due, sealing_key=key)
            if not self.accept(HOST, tick).events:
                return

    def send(
        self,
        participant: str,
        answer: BidSheet | DeclineCall,
        *,
        sequence: int = 1,
        inside: dict[str, object] | None = None,
        key: str = "",
        least: int = 0,
    ) -> SealedSheet:
        """Seal an answer; ``inside`` changes what it says about itself."""
        fields: dict[str, object] = {
            "market": "test",
            "round_id": self.round.id,
            "sender": participant,
            "sequence": sequence,
            "answer": answer,
        }
        packed = SealedAnswer(**{**fields, **(inside or {})})  # type: ignore[arg-type]
        one_time = sha256(f"{participant}/{sequence}".encode()).digest()
        made = seal(packed, key or self.round.sealing_key, least=least, one_time=one_time)
        return replace(made, round_id=self.round.id)

    def opening(self) -> OpenSeals:
        proof = close_proof(self.journal, "test", self.round)
        assert proof is not None
        return opened_answers(self.journal, "test", self.round, self.escrow.release(proof))

    def notices(self, participant: str) -> list[object]:
        sent = [m for h in self.handled if h.decided for m in h.decided.outbox]
        return [decode_envelope(m.body).body for m in sent if m.participant == participant]


@pytest.fixture
def market() -> SealedMarket:
    market = SealedMarket()
    market.order("o1")
    market.tick()
    return market


def offers(market: SealedMarket, price: int = 100) -> BidSheet:
    lot = market.lot("o1", "mill")
    return sheet(market.round.id, {"b1": Offer(lots={lot: 10}, price=price)}, site="bonn")


def test_a_sealed_round_is_called_with_its_key_and_size(market: SealedMarket) -> None:
    (call,) = (n for n in market.notices("mill-a") if isinstance(n, CallForProposals))
    assert call.sealing_key == market.round.sealing_key == market.escrow.public_key("test", "r-000001")
    assert call.sealed_size == smallest_size(1) == SEALED_SIZES[0]


def test_without_a_key_for_this_very_round_nothing_is_called() -> None:
    market = SealedMarket()
    market.order("o1")
    key = public_key("11" * 32)
    for tick in (
        Tick(now_us=market.now_us),
        Tick(now_us=market.now_us, sealing_key=key, sealing_round="r-000002"),
        Tick(now_us=market.now_us, sealing_round="r-000001"),
    ):
        assert not market.accept(HOST, tick).events
    assert market.accept(HOST, Tick(now_us=market.now_us, sealing_key=key, sealing_round="r-000001")).events


def test_a_sealed_round_waits_for_its_deadline_though_all_have_answered(market: SealedMarket) -> None:
    assert market.state.rules.early_close
    for plant in ("mill-a", "mill-b"):
        market.accept(plant, market.send(plant, offers(market)), sequence=1)
    market.tick(market.round.deadline_us - 1)
    assert market.round.state == "open"
    market.tick(market.round.deadline_us)
    assert market.round.state == "opening"
    assert market.order_of("o1").state == "clearing"


def test_before_the_close_neither_state_nor_events_hold_what_was_sealed(market: SealedMarket) -> None:
    handled = market.accept("mill-a", market.send("mill-a", offers(market, price=7_654)), sequence=1)
    (event,) = handled.events
    assert event.kind == "takt.sealed_received.v1"
    assert handled.decided is not None
    assert not handled.decided.rows
    assert market.round.answers == {}
    assert market.round.answered == 0


def test_answers_in_clear_and_seals_elsewhere_are_refused(market: SealedMarket) -> None:
    for answer in (offers(market), DeclineCall(round_id=market.round.id, code="dates")):
        refusal = market.refuse("mill-a", answer, sequence=1)
        assert (refusal.code, refusal.field) == ("invalid", "body.kind")
    open_market = Market()
    open_market.order("o1")
    open_market.tick()
    sealed = replace(market.send("mill-a", offers(market)), round_id=open_market.round.id)
    assert open_market.refuse("mill-a", sealed, sequence=1).code == "invalid"


def test_an_answer_below_the_size_of_its_call_is_refused() -> None:
    market = SealedMarket()
    for number in range(6):
        market.order(f"o{number}")
    market.tick()
    small = market.send("mill-a", DeclineCall(round_id=market.round.id, code="dates"))
    refusal = market.refuse("mill-a", small, sequence=1)
    assert (refusal.code, refusal.field) == ("invalid", "ciphertext")
    right = market.send("mill-a", DeclineCall(round_id=market.round.id, code="dates"), least=SEALED_SIZES[1])
    market.accept("mill-a", right, sequence=1)


def test_a_refusal_and_a_bid_look_the_same_until_the_close(market: SealedMarket) -> None:
    bid = market.send("mill-a", offers(market), least=4096)
    refusal = market.send("mill-b", DeclineCall(round_id=market.round.id, code="dates"), least=4096)
    assert bid.size == refusal.size
    seen = [market.accept(p, s, sequence=1).events for p, s in (("mill-a", bid), ("mill-b", refusal))]
    assert [event.kind for happened in seen for event in happened] == ["takt.sealed_received.v1"] * 2


def test_sequence_and_turn_hold_as_for_open_bids(market: SealedMarket) -> None:
    first = market.send("mill-a", offers(market), sequence=2)
    market.accept("mill-a", first, sequence=2)
    assert isinstance(market.reply("mill-a", first, sequence=2), Repeated)
    other = market.send("mill-a", offers(market, price=5), sequence=3)
    assert market.refuse("mill-a", other, sequence=2).code == "equivocation"
    assert market.refuse("mill-a", other, sequence=1).code == "sequence"
    assert market.refuse("steel-s", other, sequence=1).code == "not_called"
    market.tick(market.round.deadline_us)
    assert market.refuse("mill-a", other, sequence=3).code == "closed"


def test_the_opened_answers_are_cleared_and_the_last_one_stands(market: SealedMarket) -> None:
    market.accept("mill-a", market.send("mill-a", offers(market, 900), sequence=1), sequence=1)
    market.accept("mill-a", market.send("mill-a", offers(market, 300), sequence=4), sequence=4)
    market.accept(
        "mill-b", market.send("mill-b", DeclineCall(round_id=market.round.id, code="dates")), sequence=1
    )
    market.tick(market.round.deadline_us)
    market.accept(HOST, market.opening())
    assert market.round.state == "clearing"
    assert market.round.answered == 2
    _, report = market.solve()
    market.accept(HOST, report)
    assert market.contract_of("mill-a").contract.payment_minor == 300


def test_an_invalid_bid_is_refused_to_its_sender_and_the_rest_of_the_sheet_stands(
    market: SealedMarket,
) -> None:
    lot = market.lot("o1", "mill")
    mixed = sheet(
        market.round.id,
        {
            "elsewhere": Offer(lots={lot: 10}, price=50, site="lyon"),
            "good": Offer(lots={lot: 10}, price=500, uses=(("w", 1, 5, 0),), groups=("g",)),
            "unknown": Offer(lots={"o-1.mill": 10}, price=1),
            "late": Offer(lots={lot: 10}, price=1, days=(1, 40)),
            "far": Offer(lots={lot: 10}, price=1, uses=(("w", 900, 5, 0),)),
        },
        site="bonn",
        groups={"g": (1, 0)},
    )
    market.accept("mill-a", market.send("mill-a", mixed, least=16_384), sequence=1)
    market.tick(market.round.deadline_us)
    market.accept(HOST, market.opening())
    stands = market.round.answers["mill-a"].sheet
    assert stands is not None
    assert stands.bids.id == ("good",)
    assert stands.bid(0).uses == ((0, 5, 0),)
    assert stands.bid(0).groups == (0,)
    (notice,) = (n for n in market.notices("mill-a") if isinstance(n, BidsRefused))
    assert {(one.bid, one.code) for one in notice.refused} == {
        ("elsewhere", "not_allowed"),
        ("unknown", "not_called"),
        ("late", "dates"),
        ("far", "dates"),
    }
    assert not [n for n in market.notices("mill-b") if isinstance(n, BidsRefused)]
    _, report = market.solve()
    market.accept(HOST, report)
    assert market.contract_of("mill-a").contract.bid_id == "good"


def test_a_sheet_that_does_not_hold_until_the_deadline_is_refused_whole(market: SealedMarket) -> None:
    short = replace(offers(market), expires_us=market.round.deadline_us - 1)
    market.accept("mill-a", market.send("mill-a", short), sequence=1)
    market.tick(market.round.deadline_us)
    market.accept(HOST, market.opening())
    assert market.round.answers == {}
    (notice,) = (n for n in market.notices("mill-a") if isinstance(n, BidsRefused))
    assert [(one.bid, one.field) for one in notice.refused] == [("", "expires_us")]


@pytest.mark.parametrize(
    ("inside", "field"),
    [
        ({"sender": "mill-b"}, "sender"),
        ({"round_id": "r-000009"}, "round_id"),
        ({"market": "other"}, "market"),
        ({"sequence": 2}, "sequence"),
    ],
)
def test_what_was_sealed_for_another_place_is_refused(
    market: SealedMarket, inside: dict[str, object], field: str
) -> None:
    market.accept("mill-a", market.send("mill-a", offers(market), inside=inside), sequence=1)
    market.tick(market.round.deadline_us)
    market.accept(HOST, market.opening())
    (notice,) = (n for n in market.notices("mill-a") if isinstance(n, BidsRefused))
    assert [(one.code, one.field) for one in notice.refused] == [("invalid", field)]
    assert market.round.answers == {}


def test_what_the_key_does_not_open_is_refused(market: SealedMarket) -> None:
    stranger = public_key("22" * 32)
    market.accept("mill-a", market.send("mill-a", offers(market), key=stranger), sequence=1)
    market.tick(market.round.deadline_us)
    market.accept(HOST, market.opening())
    (notice,) = (n for n in market.notices("mill-a") if isinstance(n, BidsRefused))
    assert [(one.code, one.field) for one in notice.refused] == [("malformed", "ciphertext")]


def test_an_opening_that_leaves_somebody_out_or_comes_twice_is_refused(market: SealedMarket) -> None:
    market.accept("mill-a", market.send("mill-a", offers(market)), sequence=1)
    early = OpenSeals(round_id=market.round.id, private_key="11" * 32, answers=())
    assert market.refuse(HOST, early).code == "state"
    market.tick(market.round.deadline_us)
    opening = market.opening()
    assert market.refuse(HOST, replace(opening, answers=())).code == "check_failed"
    assert market.refuse(HOST, replace(opening, answers=opening.answers * 2)).code == "check_failed"
    assert market.refuse("mill-a", opening).code == "not_allowed"
    market.accept(HOST, opening)
    assert market.refuse(HOST, opening).code == "state"


def test_without_its_key_the_round_is_void_by_rule_and_its_orders_are_called_again(
    market: SealedMarket,
) -> None:
    market.accept("mill-a", market.send("mill-a", offers(market)), sequence=1)
    market.order("o2")
    market.tick(market.round.deadline_us)
    first = market.round
    market.tick(first.deadline_us + SEALED.opening_us - 1)
    assert first.state == "opening"
    market.tick(first.deadline_us + SEALED.opening_us)
    assert first.state == "void"
    (result,) = (n for n in market.notices("mill-a") if isinstance(n, RoundResult))
    assert (result.awards, result.rejected, result.void) == ((), (), NO_KEY)
    record = market.order_of("o1")
    assert (record.state, record.rounds) == ("submitted", [])
    assert record.order.terms.good_for_takts == 1  # the void round does not count
    market.tick(START_US + RULES.takt_us)
    assert market.round.id == "r-000002"
    assert record.rounds == ["r-000002"]
    assert market.round.sealing_key != first.sealing_key


def test_a_cancellation_that_waits_for_the_opening_takes_effect_with_the_void(market: SealedMarket) -> None:
    market.tick(market.round.deadline_us)
    market.accept("ada", cancellation(market.order_of("o1").order.id))
    assert market.order_of("o1").state == "clearing"
    market.tick(market.round.deadline_us + DAY_US)
    assert market.order_of("o1").state == "cancelled"


def test_a_restart_in_every_state_of_a_sealed_round_loses_nothing(market: SealedMarket) -> None:
    market.accept("mill-a", market.send("mill-a", offers(market, 300)), sequence=1)
    market.restart()
    market.tick(market.round.deadline_us)
    market.restart()
    assert market.round.state == "opening"
    market.accept(HOST, market.opening())
    market.restart()
    assert market.round.answers["mill-a"].sheet == offers(market, 300)
    _, report = market.solve()
    market.accept(HOST, report)
    assert market.order_of("o1").state == "awarded"


def test_a_ciphertext_must_be_base64_of_one_of_the_sizes() -> None:
    for text in ("", "AAAA", "not base64!", "A" * 5_528):
        with pytest.raises(ValueError, match="ciphertext"):
            SealedSheet(round_id="r-1", ciphertext=text)


def test_the_smallest_size_leaves_room_for_each_lot() -> None:
    assert [smallest_size(lots) for lots in (0, 1, 3, 4, 15, 16, 1_500)] == [
        4_096, 4_096, 4_096, 16_384, 16_384, 65_536, 720_896,
    ]  # fmt: skip


def test_a_refusal_of_the_engine_is_a_refusal(market: SealedMarket) -> None:
    assert isinstance(market.reply("mill-a", offers(market), sequence=1), Refusal)


def test_nothing_logged_between_close_and_opening_changes_what_is_opened(market: SealedMarket) -> None:
    market.accept("mill-a", market.send("mill-a", offers(market, 300)), sequence=1)
    market.tick(market.round.deadline_us)
    known = market.state.participants["mill-a"].admission
    market.accept(OPERATOR, replace(known, sites=("gent",), qualification=Qualification()))
    network = replace(market.state.network, lanes=())
    market.accept(OPERATOR, PublishNetwork(network=network))
    assert market.state.network != network
    market.accept(HOST, market.opening())
    stands = market.round.answers["mill-a"].sheet
    assert stands is not None
    assert stands.bids.id == ("b1",)
    _, report = market.solve()
    market.accept(HOST, report)
    assert market.order_of("o1").state == "awarded"
    assert market.state.network == network


def test_a_network_that_waits_holds_after_a_void_round_too(market: SealedMarket) -> None:
    market.tick(market.round.deadline_us)
    network = replace(market.state.network, lanes=())
    market.accept(OPERATOR, PublishNetwork(network=network))
    market.tick(market.round.deadline_us + SEALED.opening_us)
    assert market.round.state == "void"
    assert market.state.network == network


def test_the_operator_may_take_a_round_back_that_waits_to_be_opened(market: SealedMarket) -> None:
    market.accept("mill-a", market.send("mill-a", offers(market)), sequence=1)
    market.tick(market.round.deadline_us)
    market.accept(OPERATOR, VoidClearing(round_id=market.round.id, reason="wrong drawings"))
    assert market.round.state == "void"
    assert market.order_of("o1").state == "submitted"
    (result,) = (n for n in market.notices("mill-a") if isinstance(n, RoundResult))
    assert result.void == "wrong drawings"
