"""What a company remembers of its bids: also of those that lost, stood by and were awarded later."""

from __future__ import annotations

from agents.roles.offer_book import OfferBook, Quoted
from takt_sdk.model.contract import Contract, ContractItem
from takt_sdk.model.messages import RoundResult


def contract(bid_id: str, quantity: int) -> Contract:
    return Contract(
        id=f"c-{bid_id}",
        order_id="o-1",
        round_id="r-1",
        participant="mill",
        bid_id=bid_id,
        site="bonn",
        items=(ContractItem(lot_id="o-1.mill", quantity=quantity),),
        payment_minor=500,
        start_us=0,
        end_us=1,
    )


def result(*awards: Contract, standing_by: tuple[str, ...] = ()) -> RoundResult:
    rejected = () if awards else ("b0", "b1")
    return RoundResult(
        round_id="r-1", participant="mill", awards=awards, rejected=rejected, standing_by=standing_by
    )


def book() -> OfferBook:
    offers = OfferBook()
    for cost in (100, 200):
        offers.quote(
            "r-1",
            Quoted(
                lots=("o-1.mill",),
                quantity=10,
                cost_fixed_minor=cost,
                price_fixed_minor=cost,
                cost_unit_minor=3,
            ),
        )
    return offers


def test_a_bid_that_stood_by_and_was_awarded_costs_what_was_quoted() -> None:
    offers = book()
    lesson = offers.close(result(standing_by=("b1",)))
    assert lesson is not None
    assert not lesson.cost_minor
    assert offers.close(result(contract("b1", 4))) is None, "one lesson a round"
    assert offers.cost_minor == {"c-b1": 200 + 4 * 3}


def test_what_did_not_stand_by_is_forgotten() -> None:
    offers = book()
    offers.close(result())
    offers.close(result(contract("b0", 4)))
    assert not offers.cost_minor
