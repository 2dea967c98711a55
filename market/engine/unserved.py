"""Why a round did not serve an order, as its customer is told. Pure; counts only, nobody's name or price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from market.clearing.result import Unserved
from market.engine.state import RoundRecord
from takt_sdk.model.messages import UnservedReason


@dataclass(slots=True)
class _Counts:
    """How those who were called for a lot answered.

    Who answered for other lots only is not told from who did not answer: those may be nobody's business.
    """

    called: int = 0
    offered: int = 0
    declined: int = 0


def reasons_of(round_: RoundRecord, unserved: Iterable[Unserved]) -> Mapping[str, tuple[UnservedReason, ...]]:
    """Return the reasons of each order that a clearing leaves out.

    Where a lot has no offer that can be used, each such lot of the order is a reason, and says how many were
    called for it and how they answered.
    """
    known = list(unserved)
    bare = {one.order: one.detail for one in known if one.reason == "no_bid"}
    counts = _counts(round_, bare)
    found: dict[str, tuple[UnservedReason, ...]] = {}
    for one in known:
        lots = {
            lot: count for lot, count in counts.get(one.order, {}).items()
            if not count.offered or lot == one.detail
        }  # fmt: skip
        found[one.order] = (
            tuple(
                UnservedReason(code="no_bid", detail=f"{lot}: {_told(count)}") for lot, count in lots.items()
            )
            if lots
            else (UnservedReason(code=one.reason, detail=_public_detail(one.detail)),)
        )
    return found


def _counts(round_: RoundRecord, orders: Mapping[str, str]) -> dict[str, dict[str, _Counts]]:
    wanted = {index: lot for index, lot in enumerate(round_.lots) if lot.order_id in orders}
    if not wanted:
        return {}
    counts = {index: _Counts() for index in wanted}
    for participant, indices in round_.eligible.items():
        answer = round_.answers.get(participant)
        sheet = None if answer is None else answer.sheet
        offered = frozenset() if sheet is None else frozenset(sheet.bids.item_lot)
        for index in indices:
            count = counts.get(index)
            if count is None:
                continue
            count.called += 1
            count.offered += wanted[index].id in offered
            count.declined += answer is not None and sheet is None
    found: dict[str, dict[str, _Counts]] = {}
    for index, lot in wanted.items():
        found.setdefault(lot.order_id, {})[lot.id] = counts[index]
    return found


def _told(count: _Counts) -> str:
    if not count.called:
        return "nobody who takes part may make it"
    silent = count.called - count.offered - count.declined
    parts = (
        (count.offered, "offered too little of it, or too late"),
        (count.declined, "declined"),
        (silent, "made no offer for it"),
    )
    return ", ".join([f"{count.called} called", *(f"{number} {what}" for number, what in parts if number)])


def _public_detail(detail: str) -> str:
    """Return a reason's detail without what belongs to a participant: its resources are its own."""
    return detail if "/" not in detail else ""
