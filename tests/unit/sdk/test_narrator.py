"""What an agent tells who watches it: what it won and where that goes, what it lost, what stands by."""

from __future__ import annotations

from takt_sdk.model.contract import Contract, ContractItem, Shipment
from takt_sdk.model.messages import ContractAmended, RoundResult
from takt_sdk.narrator import Narrator

NEW_YEAR_US = 1_798_761_600_000_000


def shipment(to_site: str, to_contract: str | None) -> Shipment:
    return Shipment(
        arc_id="o-1.mill",
        to_site=to_site,
        to_contract=to_contract,
        quantity=5,
        transit_minutes=60,
        cost_minor=0,
        emissions_g=0,
    )


def contract(*shipments: Shipment) -> Contract:
    return Contract(
        id="c-1",
        order_id="o-1",
        round_id="r-1",
        participant="acme",
        bid_id="b1",
        site="works",
        items=(ContractItem(lot_id="o-1.mill", quantity=5),),
        payment_minor=123_456,
        start_us=NEW_YEAR_US,
        end_us=NEW_YEAR_US + 3_600_000_000,
        shipments=shipments,
    )


def told(*messages: RoundResult | ContractAmended) -> list[str]:
    lines: list[str] = []
    narrator = Narrator(lines.append)
    for message in messages:
        narrator.heard(message)
    return lines


def test_what_is_won_says_what_for_how_much_when_and_where_it_goes() -> None:
    won = contract(shipment("berlin", None), shipment("gent", "c-2"), shipment("works", "c-1"))
    result = RoundResult(
        round_id="r-1", participant="acme", awards=(won,), rejected=("b2", "b3"), standing_by=("b2",)
    )
    won_line, *others = told(result)
    assert won_line.startswith(
        "won c-1: 5 of o-1.mill for 1,234.56, 2027-01-01 00:00:00Z to 2027-01-01 01:00:00Z"
    )
    assert won_line.endswith(", 5 to berlin for the customer, 5 to gent")
    assert others == ["lost r-1: 2 other bids", "standing by in r-1: b2"]


def test_a_round_in_which_nothing_is_won_is_one_line() -> None:
    lost = RoundResult(round_id="r-1", participant="acme", awards=(), rejected=("b1",))
    assert told(lost) == ["lost r-1: none of 1 bids accepted"]


def test_an_amended_contract_says_where_its_goods_go_now() -> None:
    for given, text in (
        (contract(shipment("lyon", "c-9")), "5 to lyon"),
        (contract(), "nothing is to be shipped"),
    ):
        amended = ContractAmended(participant="acme", contract=given, at_us=NEW_YEAR_US)
        assert told(amended) == [f"c-1 amended: {text}"]
