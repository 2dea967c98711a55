"""Companies and calls that the tests of the agents share."""

from __future__ import annotations

from agents.profile import PlantProfile, Pricing, Shift, StockedMaterial, SupplierProfile, WorkCentre
from takt_sdk.model.capability import Capability, LotKind, Requirement
from takt_sdk.model.contract import Contract, ContractItem, ResourceUse, Shipment, contract_id
from takt_sdk.model.messages import CallForProposals
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, PeriodGrid

MONDAY_US = 20_605 * DAY_US
"""Monday, 1 June 2026, 00:00 UTC."""
GRID = PeriodGrid(origin_us=0, length_us=DAY_US)
DAY_SHIFT = Shift(start_minute=480, end_minute=960)


def plant(**changes: object) -> PlantProfile:
    """Return a plant with two mills and an assembly place, 8 hours a working day."""
    fields: dict[str, object] = {
        "participant": "acme",
        "site": "ulm",
        "work_centres": (
            WorkCentre(
                id="mill",
                capabilities=(Capability(process="milling", materials=("steel",)),),
                shifts=(DAY_SHIFT,),
                machines=2,
                rate_minor_per_hour=6_000,
                power_w=10_000,
                setup_us=30 * MINUTE_US,
            ),
            WorkCentre(
                id="assembly",
                capabilities=(Capability(process="assembly", materials=("any",)),),
                shifts=(DAY_SHIFT,),
                rate_minor_per_hour=4_000,
            ),
        ),
        "energy_minor_per_mwh": 20_000,
        "grid_g_per_kwh": 400,
        "pricing": Pricing(margin_ppm=100_000, rush_margin_ppm=50_000),
    }
    return PlantProfile(**{**fields, **changes})  # type: ignore[arg-type]


def supplier(**changes: object) -> SupplierProfile:
    """Return a supplier of 100 units of steel a day."""
    fields: dict[str, object] = {
        "participant": "steel-ag",
        "site": "essen",
        "materials": (
            StockedMaterial(
                material="steel",
                cost_minor_per_unit=200,
                fixed_cost_minor=1_000,
                stock_per_period=100,
                handling_us=2 * HOUR_US,
                emissions_g_per_unit=1_800,
                min_quantity=10,
            ),
        ),
    }
    return SupplierProfile(**{**fields, **changes})  # type: ignore[arg-type]


def lot(
    name: str = "o-1.mill",
    *,
    process: str = "milling",
    kind: LotKind = "operation",
    quantity: int = 10,
    run_time_us: int = 20 * MINUTE_US,
    days: tuple[int, int] = (1, 4),
    inputs: tuple[str, ...] = (),
) -> Lot:
    """Return a lot whose slice of dates is given in days after the Monday."""
    return Lot(
        id=name,
        order_id=name.split(".", maxsplit=1)[0],
        kind=kind,
        requirement=Requirement(process=process, material="steel"),
        quantity=quantity,
        earliest_start_us=MONDAY_US + days[0] * DAY_US,
        latest_end_us=MONDAY_US + days[1] * DAY_US,
        run_time_us=run_time_us,
        inputs=inputs,
    )


def call(*lots: Lot, participant: str = "acme", number: int = 1, at_us: int = MONDAY_US) -> CallForProposals:
    """Return a call opened at ``at_us`` with an hour to answer."""
    return CallForProposals(
        market="test",
        round_id=f"r-{number}",
        participant=participant,
        opened_us=at_us,
        deadline_us=at_us + HOUR_US,
        currency="EUR",
        periods=GRID,
        max_periods=60,
        rules_version=1,
        seed_commitment="0" * 64,
        lots=lots,
    )


def contract_of(sheet: BidSheet, index: int, participant: str, *, final: bool = True) -> Contract:
    """Return the contract that a bid becomes if it is accepted in full."""
    bid = sheet.bid(index)
    total = sum(quantity for _, quantity in bid.items)
    return Contract(
        id=contract_id(sheet.round_id, participant, bid.id),
        order_id=bid.items[0][0].split(".", maxsplit=1)[0],
        round_id=sheet.round_id,
        participant=participant,
        bid_id=bid.id,
        site=bid.site,
        items=tuple(ContractItem(lot_id=name, quantity=quantity) for name, quantity in bid.items),
        payment_minor=bid.price_minor(total),
        start_us=bid.start_us,
        end_us=bid.end_us,
        uses=tuple(
            ResourceUse(
                resource=sheet.capacities.resource[row],
                period=sheet.capacities.period[row],
                amount=fixed + per_unit * total,
            )
            for row, fixed, per_unit in bid.uses
        ),
        shipments=(
            Shipment(
                arc_id="a",
                to_site="berlin",
                to_contract=None if final else "c-next",
                quantity=bid.items[-1][1],
                transit_minutes=600,
                cost_minor=100,
                emissions_g=10,
            ),
        ),
        emissions_g=bid.emissions_g,
    )
