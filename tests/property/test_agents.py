"""Whatever a company is and is called for: its sheets are valid, feasible bid by bid and not below cost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.profile import ONE_PPM, PlantProfile, Pricing, Shift, StockedMaterial, SupplierProfile, WorkCentre
from agents.roles import role_of
from agents.roles.plant import PlantRole
from agents.shopfloor.calendar import CentreCalendar
from agents.shopfloor.costing import CentreRates
from agents.shopfloor.sequence import sequence
from agents.shopfloor.working_time import WorkingTime
from takt_sdk.model.capability import Capability, LotKind, Requirement
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import (
    CallForProposals,
    ContractStatus,
    DeclineCall,
    ReportMilestone,
    RoundResult,
    SheetStatus,
    SyncReply,
    Tick,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, PeriodGrid
from tests.unit.agents.companies import MONDAY_US, contract_of

PROCESSES = ("milling", "turning")


@st.composite
def shifts(draw: st.DrawFn) -> tuple[Shift, ...]:
    cuts = draw(st.sampled_from(((0, 96), (24, 56, 56, 88), (32, 64), (3, 40, 41, 94), (90, 96))))
    days = draw(st.sampled_from(((0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6), (1, 3, 6))))
    pairs = zip(cuts[::2], cuts[1::2], strict=True)
    return tuple(Shift(start_minute=a * 15, end_minute=b * 15, weekdays=days) for a, b in pairs)


@st.composite
def plants(draw: st.DrawFn) -> PlantProfile:
    centres = tuple(
        WorkCentre(
            id=f"w{index}",
            capabilities=(Capability(process=draw(st.sampled_from(PROCESSES)), materials=("any",)),),
            shifts=draw(shifts()),
            machines=draw(st.integers(1, 3)),
            rate_minor_per_hour=draw(st.integers(0, 20_000)),
            power_w=draw(st.integers(0, 50_000)),
            setup_us=draw(st.integers(0, 3 * HOUR_US)),
            run_time_ppm=draw(st.integers(500_000, 2_000_000)),
            consumables_minor_per_unit=draw(st.integers(0, 100)),
        )
        for index in range(draw(st.integers(1, 3)))
    )
    return PlantProfile(
        participant="acme",
        site="ulm",
        work_centres=centres,
        utc_offset_minutes=draw(st.integers(-600, 600)),
        energy_minor_per_mwh=draw(st.integers(0, 50_000)),
        grid_g_per_kwh=draw(st.integers(0, 1_000)),
        pricing=draw(pricings()),
    )


@st.composite
def pricings(draw: st.DrawFn) -> Pricing:
    margin = draw(st.integers(0, ONE_PPM))
    return Pricing(
        policy=draw(st.sampled_from(("cost_plus", "scarcity"))),
        margin_ppm=margin,
        rush_margin_ppm=draw(st.integers(0, ONE_PPM)),
        chain_discount_ppm=draw(st.integers(0, margin)),
        alternatives=draw(st.integers(1, 5)),
        divisible_from=draw(st.sampled_from((None, 2, 10))),
        min_lot_ppm=draw(st.sampled_from((1, 200_000, 500_000, ONE_PPM))),
    )


@st.composite
def calls(draw: st.DrawFn, kind: LotKind = "operation") -> CallForProposals:
    lots: list[Lot] = []
    for index in range(draw(st.integers(1, 6))):
        start = draw(st.sampled_from(range(-12, 96, 6))) * HOUR_US + draw(st.integers(0, 10**9))
        length = draw(st.sampled_from((1, HOUR_US, *range(20 * HOUR_US, 6 * DAY_US, 20 * HOUR_US))))
        lots.append(
            Lot(
                id=f"o-1.l{index}",
                order_id="o-1",
                kind=kind,
                requirement=Requirement(
                    process="supply" if kind == "material" else draw(st.sampled_from(PROCESSES)),
                    material="steel",
                ),
                quantity=draw(st.sampled_from((1, 2, 7, 20, 33, 50, 90, 200, 2**31 - 1))),
                earliest_start_us=MONDAY_US + start,
                latest_end_us=MONDAY_US + start + length,
                run_time_us=draw(
                    st.sampled_from((0, 1, 30_000_000, MINUTE_US, 12 * MINUTE_US, 37 * MINUTE_US + 1))
                ),
                inputs=tuple(f"o-1.l{at}" for at in range(index) if draw(st.booleans())),
            )
        )
    return CallForProposals(
        market="test",
        round_id=f"r-{draw(st.integers(1, 99))}",
        participant="acme",
        opened_us=MONDAY_US,
        deadline_us=MONDAY_US + draw(st.sampled_from((1, HOUR_US, DAY_US))),
        currency="EUR",
        periods=PeriodGrid(
            origin_us=draw(st.integers(0, DAY_US)), length_us=draw(st.sampled_from((DAY_US, 7 * HOUR_US)))
        ),
        max_periods=draw(st.sampled_from((1, 3, 20, 40))),
        rules_version=1,
        seed_commitment="0" * 64,
        lots=tuple(lots),
    )


def answer(profile: PlantProfile | SupplierProfile, call: CallForProposals) -> BidSheet | None:
    (out,) = role_of(profile).handle(call, MONDAY_US)
    assert isinstance(out.body, BidSheet | DeclineCall)
    return out.body if isinstance(out.body, BidSheet) else None


@settings(max_examples=150, deadline=None)
@given(profile=plants(), call=calls())
def test_every_single_bid_can_be_kept(profile: PlantProfile, call: CallForProposals) -> None:
    sheet = answer(profile, call)
    if sheet is None:
        return
    lots = {lot.id: lot for lot in call.lots}
    centres = {centre.id: centre for centre in profile.work_centres}
    first = call.periods.index(call.opened_us)
    for bid in sheet:
        called = [lots[name] for name, _ in bid.items]
        assert bid.start_us >= max(call.deadline_us, min(lot.earliest_start_us for lot in called))
        assert bid.end_us <= max(lot.latest_end_us for lot in called)
        assert len(called) == 1 or not bid.min_quantity
        quantity = bid.items[0][1] if bid.min_quantity else 1
        for row, fixed, per_unit in bid.uses:
            centre, period = centres[sheet.capacities.resource[row]], sheet.capacities.period[row]
            taken = fixed + per_unit * quantity
            window = call.periods.window(period)
            hours = WorkingTime(centre.shifts, profile.utc_offset_minutes)
            worked = hours.between_us(max(bid.start_us, window.start_us), min(bid.end_us, window.end_us))
            assert taken <= sheet.capacities.available[row]
            assert taken * MINUTE_US <= worked * (1 if len(called) == 1 else centre.machines)
            assert first <= period < first + call.max_periods


@settings(max_examples=150, deadline=None)
@given(profile=plants(), call=calls())
def test_no_price_is_below_cost_and_no_work_is_forgotten(
    profile: PlantProfile, call: CallForProposals
) -> None:
    sheet = answer(profile, call)
    if sheet is None:
        return
    lots = {lot.id: lot for lot in call.lots}
    rates = {
        centre.id: CentreRates(centre, profile.energy_minor_per_mwh, profile.grid_g_per_kwh)
        for centre in profile.work_centres
    }
    for bid in sheet:
        if len(bid.items) > 1:
            continue
        ((name, most),) = bid.items
        rate = rates[sheet.capacities.resource[bid.uses[0][0]]]
        for quantity in {bid.min_quantity or most, most}:
            machine_us = rate.machine_us(lots[name].run_time_us, quantity)
            assert bid.price_minor(quantity if bid.unit_price_minor else 0) >= rate.cost_minor(
                machine_us, quantity
            )
            assert sum(fixed + each * quantity for _, fixed, each in bid.uses) * MINUTE_US >= machine_us


@settings(max_examples=100, deadline=None)
@given(profile=plants(), call=calls(), data=st.data())
def test_no_machine_works_on_two_contracts_at_once(
    profile: PlantProfile, call: CallForProposals, data: st.DataObject
) -> None:
    contracts = _won(profile, call, data)
    for centre in profile.work_centres:
        calendar = CentreCalendar(centre=centre, hours=WorkingTime(centre.shifts, profile.utc_offset_minutes))
        slots, overtime = sequence(calendar, call.periods, contracts)
        by_id = {contract.id: contract for contract in contracts}
        for owner in ("machine", "contract_id"):
            ends: dict[object, int] = {}
            for slot in sorted(slots, key=lambda s: s.start_us):
                assert slot.start_us >= ends.get(getattr(slot, owner), 0)
                ends[getattr(slot, owner)] = slot.end_us
        for slot in slots:
            assert 0 <= slot.machine < centre.machines
            assert by_id[slot.contract_id].start_us <= slot.start_us < slot.end_us
            assert slot.end_us <= by_id[slot.contract_id].end_us
            assert calendar.hours.between_us(slot.start_us, slot.end_us) == slot.end_us - slot.start_us
        planned = sum(use.amount for c in contracts for use in c.uses if use.resource == centre.id)
        done_us = sum(slot.end_us - slot.start_us for slot in slots)
        left_us = planned * MINUTE_US - done_us
        assert 0 <= left_us <= sum(minutes for _, minutes in overtime) * MINUTE_US


@settings(max_examples=60, deadline=None)
@given(
    stock=st.integers(0, 300),
    least=st.integers(1, 50),
    handling_us=st.integers(0, 2 * DAY_US),
    pricing=pricings(),
    call=calls("material"),
)
def test_a_supplier_sells_what_it_has(
    stock: int, least: int, handling_us: int, pricing: Pricing, call: CallForProposals
) -> None:
    profile = SupplierProfile(
        participant="acme",
        site="ulm",
        materials=(
            StockedMaterial(
                material="steel",
                cost_minor_per_unit=7,
                fixed_cost_minor=50,
                stock_per_period=stock,
                handling_us=handling_us,
                min_quantity=least,
            ),
        ),
        pricing=pricing,
    )
    sheet = answer(profile, call)
    for bid in sheet or ():
        ((name, most),) = bid.items
        called = next(lot for lot in call.lots if lot.id == name)
        assert max(called.earliest_start_us, call.deadline_us) <= bid.start_us
        assert bid.end_us <= called.latest_end_us
        assert bid.end_us - bid.start_us >= handling_us
        assert most <= stock
        assert bid.price_minor(most) >= 50 + 7 * most


@settings(max_examples=60, deadline=None)
@given(profile=plants(), call=calls(), after_us=st.integers(0, 12 * DAY_US), data=st.data())
def test_a_role_restored_from_the_market_is_the_role_that_never_died(
    profile: PlantProfile, call: CallForProposals, after_us: int, data: st.DataObject
) -> None:
    lived = PlantRole(profile)
    lived.handle(call, MONDAY_US)
    won = _won(profile, call, data)
    lived.handle(
        RoundResult(round_id=call.round_id, participant="acme", awards=won, rejected=()), call.deadline_us
    )
    now = call.deadline_us + after_us
    lived.handle(Tick(now_us=now), now)
    states = ("awarded", "confirmed", "in_production", "finished", "shipped", "delivered")
    reply = SyncReply(
        participant="acme",
        now_us=now,
        calls=(call,) if now < call.deadline_us else (),
        sheets=(SheetStatus(round_id=call.round_id, sequence=1, position=1),),
        contracts=tuple(
            ContractStatus(
                contract=contract,
                state=states[lived.execution.running[contract.id].stage],  # type: ignore[arg-type]
                report_sequence=lived.execution.running[contract.id].stage,
            )
            for contract in won
        ),
        orders=(),
    )
    born = PlantRole(profile)
    assert born.handle(reply, now) == ()
    assert (born.execution, born.calendars) == (lived.execution, lived.calendars)
    end = now + 30 * DAY_US
    reports = lived.handle(Tick(now_us=end), end)
    assert born.handle(Tick(now_us=end), end) == reports
    assert all(isinstance(out.body, ReportMilestone) and out.body.at_us <= end for out in reports)
    assert all(calendar.booked == {} for calendar in lived.calendars)


def _won(profile: PlantProfile, call: CallForProposals, data: st.DataObject) -> tuple[Contract, ...]:
    """Accept some bids in full that the declared capacities allow together."""
    sheet = answer(profile, call)
    if sheet is None:
        return ()
    left = list(sheet.capacities.available)
    contracts = []
    for index in data.draw(st.lists(st.integers(0, len(sheet.bids) - 1), unique=True, max_size=6)):
        bid = sheet.bid(index)
        quantity = bid.items[0][1] if bid.min_quantity else 0
        uses = [(row, fixed + each * quantity) for row, fixed, each in bid.uses]
        if all(left[row] >= amount for row, amount in uses):
            for row, amount in uses:
                left[row] -= amount
            contracts.append(contract_of(sheet, index, "acme"))
    return tuple(contracts)
