"""A sheet held against its call: the look at all bids at once lets no fault of a single bid through."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from takt_sdk.model.capability import Requirement
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import Bids, BidSheet, Capacities
from takt_sdk.model.sheet_check import SheetTerms, _bid_fault, _is_plainly_right, faults
from takt_sdk.model.values import MAX_QUANTITY

LOTS = {
    name: Lot(
        id=name,
        order_id=f"o-{name}",
        kind="operation",
        requirement=Requirement(process="milling", material="steel"),
        quantity=quantity,
        earliest_start_us=100,
        latest_end_us=200,
    )
    for name, quantity in (("a", 5), ("b", 10))
}
TERMS = SheetTerms(
    deadline_us=50,
    first_period=0,
    max_periods=10,
    max_bids=10,
    max_price_minor=100,
    emissions_minor_per_tonne=0,
    sites=("ulm",),
    lots=LOTS,
)
BID = st.tuples(
    st.sampled_from(["a", "a", "b", "b", "c"]),
    st.integers(1, 11),
    st.integers(98, 110),
    st.integers(190, 202),
    st.integers(0, 101),
    st.integers(0, 12),
    st.sampled_from([0, 1, MAX_QUANTITY // 5, MAX_QUANTITY]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(BID, max_size=4))
def test_what_is_plainly_right_has_no_fault(rows: list[tuple[str, int, int, int, int, int, int]]) -> None:
    lot, quantity, start, end, fixed, unit, use = zip(*rows, strict=True) if rows else ((),) * 7
    count = len(rows)
    sheet = BidSheet(
        round_id="r-1",
        expires_us=60,
        capacities=Capacities(resource=("mill",), period=(1,), available=(5,)),
        bids=Bids(
            id=tuple(f"b{index}" for index in range(count)),
            site=("ulm",) * count,
            start_us=start,
            end_us=end,
            fixed_price_minor=fixed,
            unit_price_minor=unit,
            min_quantity=(0,) * count,
            emissions_g=(0,) * count,
            item_offset=tuple(range(count + 1)),
            item_lot=lot,
            item_quantity=quantity,
            use_offset=tuple(range(count + 1)),
            use_capacity=(0,) * count,
            use_fixed=(0,) * count,
            use_per_unit=use,
            group_offset=(0,) * (count + 1),
        ),
    )
    singly = [fault for index in range(count) if (fault := _bid_fault(sheet, index, TERMS)) is not None]
    assert list(faults(sheet, TERMS)) == singly
    assert not (_is_plainly_right(sheet.bids, TERMS) and singly)
