from __future__ import annotations

from agents.profile import CustomerProfile, StockedMaterial
from agents.roles import role_of
from agents.roles.customer import CustomerRole, Intention
from agents.roles.supplier import SupplierRole
from takt_sdk.model.messages import (
    CancelOrder,
    ContractNotice,
    ContractStatus,
    DeclineCall,
    OrderNotice,
    RoundResult,
    SyncReply,
    Tick,
)
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US
from tests.unit.agents.companies import MONDAY_US, call, contract_of, lot, plant, supplier

SOLD_OUT = StockedMaterial(material="steel", cost_minor_per_unit=1, stock_per_period=0)


def steel(name: str = "o-1.steel", quantity: int = 60, days: tuple[int, int] = (1, 3)) -> object:
    return lot(name, kind="material", process="supply", quantity=quantity, run_time_us=0, days=days)


def answer(role: SupplierRole, *lots: object, number: int = 1, at_us: int = MONDAY_US) -> BidSheet:
    (out,) = role.handle(call(*lots, participant="steel-ag", number=number, at_us=at_us), at_us)  # type: ignore[arg-type]
    assert isinstance(out.body, BidSheet)
    return out.body


def test_material_is_offered_by_the_unit_from_the_stock_of_a_period() -> None:
    sheet = answer(SupplierRole(supplier()), steel())
    bids = list(sheet)
    assert [(bid.min_quantity, bid.items) for bid in bids] == [(10, (("o-1.steel", 60),))] * 2
    assert [bid.start_us for bid in bids] == [MONDAY_US + DAY_US, MONDAY_US + 2 * DAY_US]
    assert {bid.end_us - bid.start_us for bid in bids} == {2 * HOUR_US}
    assert [bid.price_minor(60) for bid in bids] == [1_150 + 60 * 230, 1_100 + 60 * 220]
    assert sheet.capacities.available == (100, 100)
    assert bids[0].uses == ((0, 0, 1),)
    assert bids[0].emissions_g == 60 * 1_800


def test_a_lot_above_the_stock_is_offered_in_parts() -> None:
    sheet = answer(SupplierRole(supplier()), steel(quantity=150))
    assert [bid.items[0][1] for bid in sheet] == [100, 100]


def test_stock_that_is_sold_is_not_offered_again() -> None:
    role = SupplierRole(supplier())
    contract = contract_of(answer(role, steel(quantity=95)), 0, "steel-ag", final=False)
    role.handle(
        RoundResult(round_id="r-1", participant="steel-ag", awards=(contract,), rejected=()), MONDAY_US
    )
    assert role.sold == {("steel", 20_606): 95}
    again = answer(role, steel(quantity=60), number=2)
    assert [bid.start_us for bid in again] == [MONDAY_US + 2 * DAY_US]
    small = answer(role, steel(quantity=5), number=3)
    assert small.capacities.available == (5, 100)
    role.handle(
        ContractNotice(contract_id=contract.id, participant="steel-ag", state="ended", at_us=MONDAY_US),
        MONDAY_US,
    )
    assert role.sold == {}


def test_stock_that_is_delivered_is_gone_whatever_becomes_of_the_process() -> None:
    lived, born = SupplierRole(supplier()), SupplierRole(supplier())
    contract = contract_of(answer(lived, steel(quantity=95)), 0, "steel-ag", final=False)
    lived.handle(
        RoundResult(round_id="r-1", participant="steel-ag", awards=(contract,), rejected=()), MONDAY_US
    )
    later = contract.end_us + HOUR_US
    assert len(lived.handle(Tick(now_us=later), later)) == 3
    settled = ContractNotice(contract_id=contract.id, participant="steel-ag", state="settled", at_us=later)
    lived.handle(settled, later)
    reply = SyncReply(
        participant="steel-ag",
        now_us=later,
        calls=(),
        sheets=(),
        contracts=(ContractStatus(contract=contract, state="settled", report_sequence=4),),
        orders=(),
    )
    for role in (born, born, lived):
        assert role.handle(reply, later) == ()
        assert role.sold == {("steel", 20_606): 95}


def test_what_is_not_stocked_or_too_late_is_declined() -> None:
    for number, (called, code) in enumerate(
        [
            (lot(kind="material", process="supply"), "no_material"),
            (lot(), "technical"),
            (steel(days=(-2, -1)), "dates"),
        ]
    ):
        role = SupplierRole(supplier(materials=(SOLD_OUT,)) if code == "no_material" else supplier())
        (out,) = role.handle(call(called, participant="steel-ag", number=number), MONDAY_US)  # type: ignore[arg-type]
        assert isinstance(out.body, DeclineCall)
        assert out.body.code == code


def test_a_supplier_that_lost_everything_goes_on_as_if_it_had_not() -> None:
    lived, born = SupplierRole(supplier()), SupplierRole(supplier())
    contract = contract_of(answer(lived, steel()), 0, "steel-ag", final=False)
    lived.handle(
        RoundResult(round_id="r-1", participant="steel-ag", awards=(contract,), rejected=()), MONDAY_US
    )
    now = MONDAY_US + HOUR_US
    reply = SyncReply(
        participant="steel-ag",
        now_us=now,
        calls=(),
        sheets=(),
        contracts=(ContractStatus(contract=contract, state="confirmed", report_sequence=1),),
        orders=(),
    )
    assert born.handle(reply, now) == ()
    later = MONDAY_US + 4 * DAY_US
    assert born.handle(Tick(now_us=later), later) == lived.handle(Tick(now_us=later), later)
    assert (born.execution, born.sold) == (lived.execution, lived.sold)


def test_a_customer_carries_out_its_intentions_once_and_follows_its_orders() -> None:
    profile = CustomerProfile(participant="buyer", site="berlin")
    plans = [
        Intention(at_us=MONDAY_US + hour, command=CancelOrder(order_id=f"o-{hour}")) for hour in (5, 1, 3)
    ]
    role = role_of(profile, plans)
    assert isinstance(role, CustomerRole)
    first = role.handle(Tick(now_us=MONDAY_US + 3), MONDAY_US + 3)
    assert [out.body for out in first] == [plans[1].command, plans[2].command]
    assert {out.channel for out in first} == {"order"}
    assert role.handle(Tick(now_us=MONDAY_US + 3), MONDAY_US + 3) == ()
    notice = OrderNotice(order_id="o-1", participant="buyer", state="calling", at_us=MONDAY_US)
    assert role.handle(notice, MONDAY_US + 4) == ()
    assert role.orders == {"o-1": notice}
    reply = SyncReply(participant="buyer", now_us=9, calls=(), sheets=(), contracts=(), orders=())
    assert [out.body for out in role.handle(reply, MONDAY_US + 9)] == [plans[0].command]
    assert role.orders == {}


def test_every_profile_has_its_role() -> None:
    assert type(role_of(plant())).__name__ == "PlantRole"
    assert isinstance(role_of(supplier()), SupplierRole)
