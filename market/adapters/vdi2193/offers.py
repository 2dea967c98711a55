"""Offers as rows: what an offer frame holds, to and from a bid sheet's columns.

A bare offer (net price, currency, date) is enough; what it leaves out follows from the call. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from market.adapters.vdi2193.errors import NotCarriedError, NotUnderstoodError
from takt_sdk.model.messages import CallForProposals
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import Bid, Bids, BidSheet, Capacities, Groups
from takt_sdk.model.values import MAX_MINOR

OWN_SITE = "EXW"
"""The one delivery term: the market fetches goods at the participant's site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedItem:
    """Units of one lot; no quantity means all that was called."""

    lot_id: str
    quantity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedUse:
    """What a bid takes of a capacity row."""

    capacity: int
    fixed: int = 0
    per_unit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedBid:
    """One bid: an offer may hold several.

    ``price_net_minor`` is the price in full. Where ``fixed_price_minor`` or ``unit_price_minor`` is given
    as well, it must agree with them.
    """

    bid_id: str | None = None
    items: tuple[OfferedItem, ...] = ()
    price_net_minor: int | None = None
    latest_delivery_us: int
    site: str | None = None
    start_us: int | None = None
    fixed_price_minor: int | None = None
    unit_price_minor: int | None = None
    min_quantity: int = 0
    emissions_g: int = 0
    uses: tuple[OfferedUse, ...] = ()
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedCapacity:
    """What the participant has of a resource in one period of the call's grid."""

    resource: str
    period: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedGroup:
    """Of the bids that name this group at most ``max_accepted`` are accepted."""

    group_id: str
    max_accepted: int | None = None
    fixed_price_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A whole offer: either ``bids``, or one bid on all lots of the call in the four fields after it."""

    currency: str
    delivery_term: str | None = None
    expires_us: int | None = None
    capacities: tuple[OfferedCapacity, ...] = ()
    groups: tuple[OfferedGroup, ...] = ()
    bids: tuple[OfferedBid, ...] = ()
    price_net_minor: int | None = None
    price_gross_minor: int | None = None
    latest_delivery_us: int | None = None
    quantity: int | None = None


def offer_of(sheet: BidSheet, currency: str) -> Offer:
    """Return a sheet as an offer, with nothing left out."""
    capacities, groups = sheet.capacities, sheet.groups
    return Offer(
        currency=currency,
        delivery_term=OWN_SITE,
        expires_us=sheet.expires_us,
        capacities=tuple(
            OfferedCapacity(resource=resource, period=period, available=available)
            for resource, period, available in zip(
                capacities.resource, capacities.period, capacities.available, strict=True
            )
        ),
        groups=tuple(
            OfferedGroup(group_id=id_, max_accepted=most, fixed_price_minor=fixed_minor)
            for id_, most, fixed_minor in zip(
                groups.id, groups.max_accepted, groups.fixed_price_minor, strict=True
            )
        ),
        bids=tuple(_offered(bid) for bid in sheet),
    )


def _offered(bid: Bid) -> OfferedBid:
    price_minor = bid.price_minor(sum(quantity for _, quantity in bid.items))
    return OfferedBid(
        price_net_minor=price_minor if price_minor <= MAX_MINOR else None,
        bid_id=bid.id,
        items=tuple(OfferedItem(lot_id=lot, quantity=quantity) for lot, quantity in bid.items),
        latest_delivery_us=bid.end_us,
        site=bid.site,
        start_us=bid.start_us,
        fixed_price_minor=bid.fixed_price_minor,
        unit_price_minor=bid.unit_price_minor,
        min_quantity=bid.min_quantity,
        emissions_g=bid.emissions_g,
        uses=tuple(OfferedUse(capacity=row, fixed=fixed, per_unit=unit) for row, fixed, unit in bid.uses),
        groups=bid.groups,
    )


def sheet_of(offer: Offer, call: CallForProposals, site: str, field: str) -> BidSheet:
    """Return an offer as a sheet; what it leaves out follows from the call and the participant's ``site``.

    Raises
    ------
    NotUnderstoodError, NotCarriedError
        Naming the element.
    ModelError
        If the sheet breaks a rule of the model.
    """
    if offer.currency != call.currency:
        raise NotCarriedError(f"{field}.currency", offer.currency, f"this market trades in {call.currency}")
    if offer.price_gross_minor is not None:
        raise NotCarriedError(
            f"{field}.priceGross", offer.price_gross_minor, "give priceNet: taxes are apart"
        )
    if offer.delivery_term not in {None, OWN_SITE}:
        raise NotCarriedError(f"{field}.deliveryTerm", offer.delivery_term, f"must be {OWN_SITE}")
    lots = {lot.id: lot for lot in call.lots}
    rows = [
        _complete(bid, number, lots, site, f"{field}.bids[{number}]")
        for number, bid in enumerate(_bids(offer, call, field))
    ]
    capacities, groups = offer.capacities, offer.groups
    return BidSheet(
        round_id=call.round_id,
        expires_us=call.deadline_us if offer.expires_us is None else offer.expires_us,
        capacities=Capacities(
            resource=tuple(row.resource for row in capacities),
            period=tuple(row.period for row in capacities),
            available=tuple(row.available for row in capacities),
        ),
        bids=_columns(rows),
        groups=Groups(
            id=tuple(group.group_id for group in groups),
            max_accepted=tuple(group.max_accepted for group in groups),
            fixed_price_minor=tuple(group.fixed_price_minor for group in groups),
        ),
    )


def _bids(offer: Offer, call: CallForProposals, field: str) -> Sequence[OfferedBid]:
    """Return the bids; one on the whole call where the offer lists none."""
    flat = (offer.price_net_minor, offer.latest_delivery_us, offer.quantity)
    if offer.bids:
        if any(value is not None for value in flat):
            raise NotUnderstoodError(
                f"{field}.bids", len(offer.bids), "price, date and quantity belong to each bid"
            )
        return offer.bids
    if offer.price_net_minor is None and offer.latest_delivery_us is None:
        return ()
    if offer.latest_delivery_us is None:
        raise NotUnderstoodError(f"{field}.latestDeliveryDateAssured", None, "is missing")
    if len(call.lots) > 1 and offer.quantity is not None:
        raise NotUnderstoodError(f"{field}.quantity", offer.quantity, "the call has several lots: list bids")
    if len({lot.order_id for lot in call.lots}) > 1:
        raise NotUnderstoodError(f"{field}.bids", None, "the call has lots of several orders: list bids")
    items = tuple(OfferedItem(lot_id=lot.id, quantity=offer.quantity) for lot in call.lots)
    return (
        OfferedBid(
            items=items, price_net_minor=offer.price_net_minor, latest_delivery_us=offer.latest_delivery_us
        ),
    )


def _complete(bid: OfferedBid, number: int, lots: dict[str, Lot], site: str, field: str) -> Bid:
    """Return a bid with what was left out."""
    items: list[tuple[str, int]] = []
    for index, item in enumerate(bid.items):
        lot = lots.get(item.lot_id)
        if lot is None and (item.quantity is None or bid.start_us is None):
            raise NotUnderstoodError(f"{field}.items[{index}].lotId", item.lot_id, "was not called")
        quantity = item.quantity
        if quantity is None:
            assert lot is not None
            quantity = lot.quantity
        items.append((item.lot_id, quantity))
    if not items:
        raise NotUnderstoodError(f"{field}.items", None, "a bid has at least one item")
    start_us = bid.start_us
    if start_us is None:
        start_us = min(lots[name].earliest_start_us for name, _ in items)
    fixed_minor, unit_minor = _price(bid, sum(quantity for _, quantity in items), field)
    return Bid(
        id=bid.bid_id or f"offer-{number + 1}",
        site=site if bid.site is None else bid.site,
        start_us=start_us,
        end_us=bid.latest_delivery_us,
        fixed_price_minor=fixed_minor,
        unit_price_minor=unit_minor,
        min_quantity=bid.min_quantity,
        emissions_g=bid.emissions_g,
        items=tuple(items),
        uses=tuple((use.capacity, use.fixed, use.per_unit) for use in bid.uses),
        groups=bid.groups,
    )


def _price(bid: OfferedBid, quantity: int, field: str) -> tuple[int, int]:
    """Return fixed and unit price."""
    if bid.fixed_price_minor is None and bid.unit_price_minor is None:
        if bid.price_net_minor is None:
            raise NotUnderstoodError(f"{field}.priceNet", None, "is missing")
        return bid.price_net_minor, 0
    fixed_minor, unit_minor = bid.fixed_price_minor or 0, bid.unit_price_minor or 0
    total_minor = fixed_minor + unit_minor * quantity
    if bid.price_net_minor not in {None, total_minor}:
        raise NotUnderstoodError(
            f"{field}.priceNet",
            bid.price_net_minor,
            f"fixedPrice and unitPrice make {total_minor} minor units",
        )
    return fixed_minor, unit_minor


def _columns(rows: Sequence[Bid]) -> Bids:
    items = [item for bid in rows for item in bid.items]
    uses = [use for bid in rows for use in bid.uses]
    return Bids(
        id=tuple(bid.id for bid in rows),
        site=tuple(bid.site for bid in rows),
        start_us=tuple(bid.start_us for bid in rows),
        end_us=tuple(bid.end_us for bid in rows),
        fixed_price_minor=tuple(bid.fixed_price_minor for bid in rows),
        unit_price_minor=tuple(bid.unit_price_minor for bid in rows),
        min_quantity=tuple(bid.min_quantity for bid in rows),
        emissions_g=tuple(bid.emissions_g for bid in rows),
        item_offset=_offsets([len(bid.items) for bid in rows]),
        item_lot=tuple(lot for lot, _ in items),
        item_quantity=tuple(quantity for _, quantity in items),
        use_offset=_offsets([len(bid.uses) for bid in rows]),
        use_capacity=tuple(row for row, _, _ in uses),
        use_fixed=tuple(fixed for _, fixed, _ in uses),
        use_per_unit=tuple(unit for _, _, unit in uses),
        group_offset=_offsets([len(bid.groups) for bid in rows]),
        group_index=tuple(group for bid in rows for group in bid.groups),
    )


def _offsets(lengths: Sequence[int]) -> tuple[int, ...]:
    return (0, *accumulate(lengths))
