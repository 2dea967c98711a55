"""A small but realistic summary: three plants, a supplier, two customers, six orders, one breakdown."""

from __future__ import annotations

from scenarios.summary import (
    BreakdownRow,
    CapacityRow,
    ClearingRow,
    Comparison,
    ContractRow,
    FlowRow,
    OrderRow,
    ParticipantRow,
    ShiftRow,
    SiteRow,
    Summary,
)
from takt_sdk.model.values import DAY_US, HOUR_US

MONDAY_US = 1_772_409_600_000_000  # 2026-03-02 00:00 UTC
PLANTS = (("cologne-mill", "cologne"), ("lisbon-mill", "lisbon"), ("paris-finish", "paris"))


def _order(number: int, state: str, charge_minor: int | None, **changes: object) -> OrderRow:
    served = charge_minor is not None
    price = None if charge_minor is None else charge_minor * 85 // 100
    fee = None if charge_minor is None else charge_minor // 100
    row = OrderRow(
        order_id=f"o-{number:020x}",
        customer="vienna-machines" if number % 2 else "stockholm-devices",
        part=("box", "cover", "plate")[number % 3],
        quantity=10 * number,
        pieces=10 * number if served else 0,
        destination="vienna" if number % 2 else "stockholm",
        state=state,
        submitted_us=MONDAY_US + number * 8 * HOUR_US,
        due_us=MONDAY_US + (14 + number) * DAY_US,
        deadline_us=MONDAY_US + (18 + number) * DAY_US,
        promised_us=MONDAY_US + (13 + number) * DAY_US if served else None,
        reservation_value_minor=180_000 + 20_000 * number,
        price_minor=price,
        transport_minor=None if charge_minor is None else charge_minor - (price or 0) - (fee or 0),
        fee_minor=fee,
        charge_minor=charge_minor,
        emissions_g=310_000 + number if served else None,
        suppliers=2 if served else 0,
        reallocations=0,
        reasons=() if served else ("price: cheapest was 2,214.00 EUR",),
    )
    return row.model_copy(update=changes)


def _clearing(number: int, orders: int, welfare_minor: int | None) -> ClearingRow:
    return ClearingRow(
        round_id=f"r-{number}",
        number=number,
        opened_us=MONDAY_US + number * 12 * HOUR_US,
        closed_us=MONDAY_US + number * 12 * HOUR_US + HOUR_US,
        called=4 if orders else 0,
        answered=4 if orders else 0,
        orders=orders,
        served=max(0, orders - 1),
        bids=orders * 18,
        status="optimal" if orders else "unknown",
        welfare_minor=welfare_minor,
        bound_minor=None if welfare_minor is None else welfare_minor + 400,
        gap_ppm=None if welfare_minor is None else 4_300,
        order_by_order_welfare_minor=None if welfare_minor is None else welfare_minor * 9 // 10,
        wall_ms=140 * orders,
    )


def _contract(number: int, plant: int, first_day: int, days: int, state: str) -> ContractRow:
    participant, site = PLANTS[plant]
    return ContractRow(
        contract_id=f"c-{number:020x}",
        order_id=f"o-{number:020x}",
        lot=f"o-{number:020x}.mill",
        process="anodising_line" if plant == 2 else "cnc_mill_3axis",
        participant=participant,
        site=site,
        resource="anodising" if plant == 2 else "milling",
        quantity=10 * number,
        start_us=MONDAY_US + first_day * DAY_US + 6 * HOUR_US,
        end_us=MONDAY_US + (first_day + days) * DAY_US - 10 * HOUR_US,
        state=state,
        payment_minor=90_000 + number,
    )


def sample_summary() -> Summary:
    """Return the sample."""
    orders = (
        _order(1, "settled", 152_000),
        _order(2, "settled", 171_300),
        _order(3, "in_production", 160_000, reallocations=1),
        _order(4, "unserved", None),
        _order(5, "settled", 201_700),
        _order(6, "cancelled", None, reasons=()),
    )
    served = [order for order in orders if order.charge_minor is not None]
    charges = sum(order.charge_minor or 0 for order in served)
    value = sum(order.reservation_value_minor for order in served)
    names = {"lisbon": "Lisbon", "cologne": "Cologne", "paris": "Paris", "vienna": "Vienna"}
    where = {
        "cologne": ("DE", 50_933_330, 6_950_000),
        "lisbon": ("PT", 38_725_090, -9_149_800),
        "paris": ("FR", 48_853_410, 2_348_800),
        "stockholm": ("SE", 59_329_380, 18_068_710),
        "vienna": ("AT", 48_208_490, 16_372_080),
    }
    clearings = (
        _clearing(1, 3, 91_000),
        _clearing(2, 2, 60_500),
        _clearing(3, 0, None),
        _clearing(4, 2, 33_000),
    )
    return Summary(
        scenario="sample",
        title="Sample: three plants & six orders",
        seed=7,
        transport="memory",
        mechanism="pay_as_bid",
        currency="EUR",
        start_us=MONDAY_US,
        end_us=MONDAY_US + 28 * DAY_US,
        takt_us=12 * HOUR_US,
        outcome_digest="sha256:" + "5eed" * 16,
        versions={"takt": "0.1.0", "python": "3.11.7"},
        orders_total=6,
        orders_by_state={"settled": 3, "in_production": 1, "unserved": 1, "cancelled": 1},
        orders_served=4,
        welfare_minor=184_500,
        bound_minor=185_700,
        gap_ppm=6_504,
        charges_minor=charges,
        prices_minor=sum(order.price_minor or 0 for order in served),
        transport_minor=sum(order.transport_minor or 0 for order in served),
        fees_minor=sum(order.fee_minor or 0 for order in served),
        production_emissions_g=1_190_000,
        transport_emissions_g=51_000,
        wall_ms=8_430,
        first_award_wall_ms=1_210,
        phase_wall_ms={"start": 900, "takts": 7_300, "report": 230},
        messages_by_kind={"call": 14, "bid_sheet": 13, "notice": 22},
        comparison=Comparison(
            joint_served=4,
            joint_value_minor=value,
            joint_cost_minor=value - 184_500,
            joint_welfare_minor=184_500,
            order_by_order_served=3,
            order_by_order_value_minor=value - 220_000,
            order_by_order_cost_minor=value - 220_000 - 166_050,
            order_by_order_welfare_minor=166_050,
        ),
        clearings=clearings,
        orders=orders,
        participants=(
            *(ParticipantRow(participant=name, role="plant", sites=(site,)) for name, site in PLANTS),
            ParticipantRow(participant="vienna-metals", role="supplier", sites=("vienna",)),
            ParticipantRow(participant="vienna-machines", role="customer", sites=("vienna",)),
            ParticipantRow(participant="stockholm-devices", role="customer", sites=("stockholm",)),
        ),
        sites=tuple(
            SiteRow(
                site=site,
                name=names.get(site, site.title()),
                country=country,
                latitude_udeg=latitude,
                longitude_udeg=longitude,
            )
            for site, (country, latitude, longitude) in where.items()
        ),
        capacities=tuple(
            CapacityRow(
                participant=name,
                site=site,
                resource="anodising" if index == 2 else "milling",
                unit="min",
                week=week,
                declared=2400,
                used=(0, 1_980, 610, 0)[week] // (index + 1),
            )
            for index, (name, site) in enumerate(PLANTS)
            for week in range(4)
        ),
        shifts=tuple(
            ShiftRow(
                participant=name,
                resource="anodising" if index == 2 else "milling",
                start_minute=weekday * 1440 + 300,
                end_minute=weekday * 1440 + 780,
            )
            for index, (name, _) in enumerate(PLANTS)
            for weekday in range(5)
        ),
        contracts=(
            _contract(1, 0, 7, 3, "settled"),
            _contract(2, 0, 8, 4, "settled"),
            _contract(3, 1, 9, 3, "ended"),
            _contract(3, 0, 14, 3, "in_production").model_copy(update={"contract_id": "c-again"}),
            _contract(5, 2, 11, 1, "settled"),
        ),
        breakdowns=(
            BreakdownRow(
                participant="lisbon-mill",
                resource="milling",
                start_us=MONDAY_US + 6 * DAY_US,
                end_us=MONDAY_US + 15 * DAY_US,
                contracts_at_risk=1,
                lots_called_again=1,
                orders_kept=1,
            ),
        ),
        flows=(
            FlowRow(
                from_site="vienna",
                to_site="cologne",
                shipments=2,
                quantity=30,
                cost_minor=39_000,
                emissions_g=9_000,
            ),
            FlowRow(
                from_site="cologne",
                to_site="vienna",
                shipments=2,
                quantity=40,
                cost_minor=41_000,
                emissions_g=9_500,
            ),
            FlowRow(
                from_site="lisbon",
                to_site="stockholm",
                shipments=1,
                quantity=20,
                cost_minor=30_900,
                emissions_g=8_800,
            ),
            FlowRow(
                from_site="paris", to_site="paris", shipments=1, quantity=50, cost_minor=0, emissions_g=0
            ),
        ),
    )
