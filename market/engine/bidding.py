"""Answers to a call: bid sheets and refusals. Decides; changes nothing itself.

The model has already refused sheets that are wrong in themselves; here they are held against the
call: what was called, the sender's sites, the dates, the rules' limits.
"""

from __future__ import annotations

from market.engine.decision import Decision, Inbound, accept, refuse, repeat
from market.engine.signatures import equivocation
from market.engine.state import RoundRecord, State
from market.model import events
from market.model.events import Event
from takt_sdk.model.messages import DeclineCall
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import MAX_QUANTITY, MAX_TIME_US

GRAMS_PER_TONNE = 1_000_000


def answer(state: State, inbound: Inbound, command: BidSheet | DeclineCall, now_us: int) -> Decision:
    """Take a participant's answer to a call; a later one before the close replaces it.

    The answer that completes the round closes it where the rules say so.
    """
    round_ = state.rounds.get(command.round_id)
    if round_ is None:
        return refuse("unknown", "no such round", field="round_id", value=command.round_id)
    seen = round_.received.get(inbound.sender, {})
    if inbound.sequence in seen:
        digest, position = seen[inbound.sequence]
        if digest == inbound.digest:
            return repeat(position, command.round_id)
        twice = refuse(
            "equivocation", "another answer has this number", field="sequence", value=inbound.sequence
        )
        return equivocation(state, inbound, command.round_id, seen[inbound.sequence], twice, now_us)
    refused = _turn_refused(state, round_, inbound, now_us)
    if refused is None and isinstance(command, BidSheet):
        refused = _sheet_refused(state, round_, inbound.sender, command)
    if refused is not None:
        return refused
    if isinstance(command, BidSheet):
        received: Event = events.SheetReceived(
            participant=inbound.sender, sequence=inbound.sequence, digest=inbound.digest, sheet=command
        )
    else:
        received = events.CallDeclined(
            round_id=command.round_id,
            participant=inbound.sender,
            sequence=inbound.sequence,
            digest=inbound.digest,
            code=command.code,
            detail=command.detail,
        )
    missing = len(round_.eligible) - len(round_.answers) - (inbound.sender not in round_.answers)
    if missing == 0 and state.rules.early_close:
        closed = events.RoundClosed(round_id=round_.id, at_us=now_us, reason="all_answered")
        return accept(received, closed, subject_id=round_.id)
    return accept(received, subject_id=round_.id)


def _turn_refused(state: State, round_: RoundRecord, inbound: Inbound, now_us: int) -> Decision | None:
    """Refuse an answer that comes too late, from somebody not called, or out of order."""
    seen = round_.received.get(inbound.sender, {})
    if round_.state != "open":
        return refuse("closed", "the round is closed", field="round_id", value=round_.id, state=round_.state)
    if now_us >= round_.deadline_us:
        return refuse(
            "closed",
            f"the deadline was {round_.deadline_us}",
            field="round_id",
            value=round_.id,
            state="open",
        )
    if inbound.sender not in round_.eligible:
        return refuse("not_called", "you were not called in this round", field="round_id", value=round_.id)
    if state.participants[inbound.sender].suspended:
        return refuse(
            "not_allowed",
            "this participant is suspended",
            field="sender",
            value=inbound.sender,
            state="suspended",
        )
    if seen and inbound.sequence < max(seen):
        return refuse("sequence", f"last was {max(seen)}", field="sequence", value=inbound.sequence)
    return None


def _sheet_refused(state: State, round_: RoundRecord, sender: str, sheet: BidSheet) -> Decision | None:
    bids = sheet.bids
    if len(bids) > state.rules.max_bids_per_sheet:
        return refuse("limit", f"at most {state.rules.max_bids_per_sheet}", field="bids.id", value=len(bids))
    if sheet.expires_us < round_.deadline_us:
        return refuse(
            "dates",
            f"must hold until the deadline {round_.deadline_us}",
            field="expires_us",
            value=sheet.expires_us,
        )
    first = state.rules.periods.index(round_.opened_us)
    for index, period in enumerate(sheet.capacities.period):
        if not first <= period < first + state.rules.max_periods:
            return refuse(
                "dates",
                f"{first} to {first + state.rules.max_periods - 1}",
                field=f"capacities.period[{index}]",
                value=period,
            )
    sites = state.participants[sender].admission.sites
    for index, site in enumerate(bids.site):
        if site not in sites:
            return refuse("not_allowed", "not a site of yours", field=f"bids.site[{index}]", value=site)
    limit = state.rules.max_price_minor
    for index, price in enumerate(sheet.groups.fixed_price_minor):
        if price > limit:
            field = f"groups.fixed_price_minor[{index}]"
            return refuse("limit", f"at most {limit}", field=field, value=price)
    weight = state.rules.emissions_minor_per_tonne
    for index, grams in enumerate(bids.emissions_g):
        if grams * weight > limit * GRAMS_PER_TONNE:
            return refuse(
                "limit",
                f"at most {limit} at {weight} a tonne",
                field=f"bids.emissions_g[{index}]",
                value=grams,
            )
    called = {round_.lots[index].id: round_.lots[index] for index in round_.eligible[sender]}
    for index in range(len(bids)):
        refused = _bid_refused(sheet, index, called, limit)
        if refused is not None:
            return refused
    return None


def _bid_refused(
    sheet: BidSheet, index: int, called: dict[str, Lot], max_price_minor: int
) -> Decision | None:
    bids = sheet.bids
    order_id: str | None = None
    total = 0
    earliest_us, latest_us = MAX_TIME_US, 0
    for at in range(bids.item_offset[index], bids.item_offset[index + 1]):
        lot = called.get(bids.item_lot[at])
        if lot is None:
            return refuse(
                "not_called",
                "you were not called for it",
                field=f"bids.item_lot[{at}]",
                value=bids.item_lot[at],
            )
        if order_id not in {None, lot.order_id}:
            return refuse(
                "invalid",
                "a bid's lots belong to one order",
                field=f"bids.item_lot[{at}]",
                value=bids.item_lot[at],
            )
        order_id = lot.order_id
        quantity = bids.item_quantity[at]
        total += quantity
        if quantity > lot.quantity:
            return refuse(
                "invalid", f"at most {lot.quantity}", field=f"bids.item_quantity[{at}]", value=quantity
            )
        earliest_us = min(earliest_us, lot.earliest_start_us)
        latest_us = max(latest_us, lot.latest_end_us)
    if bids.start_us[index] < earliest_us:
        return refuse(
            "dates",
            f"not before {earliest_us}, the start of its first lot",
            field=f"bids.start_us[{index}]",
            value=bids.start_us[index],
        )
    if bids.end_us[index] > latest_us:
        return refuse(
            "dates",
            f"not after {latest_us}, the end of its last lot",
            field=f"bids.end_us[{index}]",
            value=bids.end_us[index],
        )
    for at in range(bids.use_offset[index], bids.use_offset[index + 1]):
        use = bids.use_fixed[at] + bids.use_per_unit[at] * total
        if use > MAX_QUANTITY:
            return refuse("limit", f"at most {MAX_QUANTITY}", field=f"bids.use_per_unit[{at}]", value=use)
    price = bids.fixed_price_minor[index] + bids.unit_price_minor[index] * total
    if price > max_price_minor:
        return refuse(
            "limit", f"at most {max_price_minor}", field=f"bids.fixed_price_minor[{index}]", value=price
        )
    return None
