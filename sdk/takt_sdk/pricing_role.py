"""A plant whose prices are its owner's function: placed in its capacity, bid, confirmed, reported.

Free of clock, chance and network: a role as `takt_sdk.company` runs it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from takt_sdk.execution import Execution
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import (
    CallForProposals,
    ContractAmended,
    ContractNotice,
    DeclineCall,
    DeclineCode,
    RoundResult,
    SyncReply,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.values import HOUR_US, PeriodGrid, Window, check_id, check_int
from takt_sdk.role import Incoming, Outgoing
from takt_sdk.sheet_builder import SheetBuilder

_LOG = logging.getLogger(__name__)
_MOST_MINUTES = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a partner asks for a whole lot, and what the work takes of one of its resources.

    ``price_minor`` is net, in minor units (cents), without transport. ``site`` is one of the sites under
    which the market admitted the partner.
    """

    site: str
    resource: str
    minutes: int
    price_minor: int
    emissions_g: int = 0

    def __post_init__(self) -> None:
        check_int("minutes", self.minutes, 1, _MOST_MINUTES)
        check_int("price_minor", self.price_minor, 0, 2**53 - 1)
        check_int("emissions_g", self.emissions_g, 0, 2**53 - 1)


Price = Callable[[CallForProposals, Lot], Quote | None]
"""The partner's own pricing: a quote for a lot, or None."""
Minutes = int | Callable[[Window], int]
"""What a resource has in each period of the market (mostly a day): always the same, or by period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """How quotes become bids: ``alternatives`` dates for each lot, binding for ``validity_us``.

    ``stands_by`` agrees that a bid which loses may be awarded until then, if the winner drops out.
    """

    alternatives: int = 3
    validity_us: int = HOUR_US
    stands_by: bool = False
    milestones: Literal["planned", "own"] = "planned"
    """``planned`` reports started, finished, shipped and delivered at the contract's times; ``own`` only
    confirms, and the partner reports the rest when it happens."""


class PricingRole:
    """A plant with ``capacity`` in minutes by resource, whose ``price`` is asked for every lot called."""

    def __init__(
        self, participant: str, price: Price, capacity: Mapping[str, Minutes], offer: Offer | None = None
    ) -> None:
        _check_capacity(capacity)
        self.participant = participant
        self._price, self._capacity, self._offer = price, capacity, offer or Offer()
        self._booked: dict[tuple[str, int], int] = {}
        self._answered: dict[str, int] = {}
        self.execution = Execution(book=self._book, by_plan=self._offer.milestones == "planned")

    def handle(self, message: Incoming, now_us: int) -> tuple[Outgoing, ...]:
        """Take a message at market time ``now_us``; return what has to be sent, in order."""
        calls: tuple[CallForProposals, ...] = ()
        match message:
            case CallForProposals():
                calls = (message,)
            case RoundResult():
                self.execution.award(message.awards)
            case ContractAmended():
                self.execution.amend(message.contract, message.at_us)
            case ContractNotice():
                self.execution.notice(message)
            case SyncReply():
                self.execution.restore(message.contracts)
                done = {sheet.round_id for sheet in message.sheets}
                self._answered = {c.round_id: c.deadline_us for c in message.calls if c.round_id in done}
                calls = message.calls
            case _:
                pass
        reports = self.execution.due(now_us)
        return (*reports, *(out for call in calls for out in self._call(call, now_us)))

    def _call(self, call: CallForProposals, now_us: int) -> tuple[Outgoing, ...]:
        self._answered = {name: end_us for name, end_us in self._answered.items() if end_us > now_us}
        if call.round_id in self._answered or now_us >= call.deadline_us:
            return ()
        self._answered[call.round_id] = call.deadline_us
        builder = SheetBuilder()
        reasons = {self._bid(call, lot, builder, now_us) for lot in call.lots}
        body = (
            builder.build(
                call.round_id, call.deadline_us + self._offer.validity_us, stands_by=self._offer.stands_by
            )
            if len(builder)
            else DeclineCall(round_id=call.round_id, code=_reason(reasons))
        )
        return (Outgoing(channel="bid", correlation_id=call.round_id, body=body),)

    def _bid(
        self, call: CallForProposals, lot: Lot, builder: SheetBuilder, now_us: int
    ) -> DeclineCode | None:
        """Add a lot's bids; return why there are none."""
        try:
            quote = self._quote(call, lot)
            if quote is None:
                return "not_interested"
            first, last = _periods(call, lot, now_us)
            offers = self._offers(quote, call.periods, first, last)
        except Exception:  # noqa: BLE001 - one lot's price must not cost the partner the others
            _LOG.exception("%s: no price for lot %s", self.participant, lot.id)
            return "technical"
        group = builder.group(1) if offers else 0
        for offer in offers:
            uses = [(builder.capacity(quote.resource, period, free), used, 0) for period, used, free in offer]
            window_us = (
                call.periods.window(offer[0][0]).start_us,
                call.periods.window(offer[-1][0]).end_us,
            )
            builder.add(
                site=quote.site,
                window_us=window_us,
                items=[(lot.id, lot.quantity)],
                uses=uses,
                fixed_minor=quote.price_minor,
                emissions_g=quote.emissions_g,
                groups=[group],
            )
        return None if offers else ("dates" if first >= last else "no_capacity")

    def _quote(self, call: CallForProposals, lot: Lot) -> Quote | None:
        """Ask for a price; raises where the answer is nothing that can be bid."""
        quote: object = self._price(call, lot)
        if quote is None:
            return None
        if not isinstance(quote, Quote):
            raise TypeError(f"price must return a Quote or None; was {quote!r}")
        if quote.resource not in self._capacity:
            raise ValueError(f"resource must be one of {sorted(self._capacity)}; was {quote.resource!r}")
        return quote

    def _offers(
        self, quote: Quote, grid: PeriodGrid, first: int, last: int
    ) -> list[tuple[tuple[int, int, int], ...]]:
        """Return the work at several dates, each as (period, minutes used, minutes free)."""
        offers: set[tuple[tuple[int, int, int], ...]] = set()
        soonest = self._place(quote, grid, first, last)
        spare = last - 1 - soonest[-1][0] if soonest else 0
        for k in range(max(1, self._offer.alternatives)):
            start = first + spare * k // max(1, self._offer.alternatives - 1)
            if placement := self._place(quote, grid, start, last):
                offers.add(placement)
        return sorted(offers)

    def _place(
        self, quote: Quote, grid: PeriodGrid, first: int, last: int
    ) -> tuple[tuple[int, int, int], ...]:
        """Return the work begun in ``first`` or after; empty if it does not fit."""
        left, placed = quote.minutes, []
        for period in range(first, last):
            free = self._free(quote.resource, grid, period)
            used = min(left, free)
            if used > 0:
                placed.append((period, used, free))
                left -= used
            if left == 0:
                return tuple(placed)
        return ()

    def _free(self, resource: str, grid: PeriodGrid, period: int) -> int:
        minutes = self._capacity[resource]
        declared = minutes(grid.window(period)) if callable(minutes) else minutes
        check_int(f"capacity[{resource!r}]", declared, 0, _MOST_MINUTES)
        return max(0, declared - self._booked.get((resource, period), 0))

    def _book(self, contract: Contract, sign: int) -> None:
        for use in contract.uses:
            key = (use.resource, use.period)
            self._booked[key] = self._booked.get(key, 0) + sign * use.amount


def _check_capacity(capacity: object) -> None:
    """Raise unless it is minutes by resource, each a number or a function of the period."""
    if not isinstance(capacity, Mapping):
        raise TypeError(f"capacity must be minutes by resource, as {{'mill-1': 960}}; was {capacity!r}")
    for resource, minutes in capacity.items():
        check_id("capacity", resource)
        if not callable(minutes):
            check_int(f"capacity[{resource!r}]", minutes, 0, _MOST_MINUTES)


def _periods(call: CallForProposals, lot: Lot, now_us: int) -> tuple[int, int]:
    """Return the whole periods [first, last) in which a lot can be made, none before the award."""
    grid = call.periods
    start_us = max(lot.earliest_start_us, call.deadline_us, now_us)
    first = -((grid.origin_us - start_us) // grid.length_us)
    horizon = grid.index(call.opened_us) + call.max_periods
    return first, min((lot.latest_end_us - grid.origin_us) // grid.length_us, horizon)


def _reason(reasons: set[DeclineCode | None]) -> DeclineCode:
    order: tuple[DeclineCode, ...] = ("no_capacity", "dates", "technical")
    return next((code for code in order if code in reasons), "not_interested")
