"""Sealed rounds: answers that are opened after the close, and rounds whose key never comes. Decides only.

Who decrypts is the host; here it is settled what an opened answer counts for.
"""

from __future__ import annotations

from collections.abc import Iterator

from market.engine.bidding import sheet_terms
from market.engine.decision import Decision, accept, refuse
from market.engine.orders import cancellation
from market.engine.snapshot import cleared_orders
from market.engine.state import RoundRecord, State
from market.model import events
from market.model.commands import OpenedSeal, OpenSeals
from market.model.events import Event
from takt_sdk.model.messages import BidRefusal, DeclineCall
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.sheet_check import SheetFault, faults, without_bids

NO_KEY = "the key to its sealed bids was not released in time"
"""Why a round is void whose escrow is dead."""


def open_seals(state: State, command: OpenSeals, now_us: int) -> Decision:
    """Take a closed round's opened answers: what is invalid is refused to its sender, the rest stands."""
    round_ = state.round
    if round_ is None or round_.id != command.round_id or round_.state != "opening":
        known = state.rounds.get(command.round_id)
        return refuse(
            "state",
            "no such round waits to be opened",
            field="round_id",
            value=command.round_id,
            state="" if known is None else known.state,
        )
    standing = round_.sealed_answers
    named = {opened.participant: opened.sequence for opened in command.answers}
    if named != standing or len(command.answers) != len(standing):
        detail = f"each answer that stands is opened once; {len(standing)} stand"
        return refuse("check_failed", detail, field="answers", value=len(command.answers))
    opened = [
        _opened(state, round_, seal) for seal in sorted(command.answers, key=lambda seal: seal.participant)
    ]
    return accept(events.SealsOpened(round_id=round_.id, at_us=now_us), *opened, subject_id=round_.id)


def overdue(state: State, now_us: int) -> Decision | None:
    """Give a closed round up whose key has not come in the rules' time; its orders are called again.

    The round does not count against the takts that an order is good for: it is not the order's fault.
    """
    round_ = state.round
    if round_ is None or round_.state != "opening" or round_.closed_us is None:
        return None
    if now_us < round_.closed_us + state.rules.opening_us:
        return None
    voided = events.RoundVoided(round_id=round_.id, at_us=now_us, reason=NO_KEY)
    return accept(voided, *_returned(state, round_, now_us))


def _returned(state: State, round_: RoundRecord, now_us: int) -> Iterator[Event]:
    for record in cleared_orders(state, round_):
        yield events.OrderReturned(order_id=record.order.id, round_id=round_.id, at_us=now_us, reason=NO_KEY)
        if record.cancel_position is not None:  # noted after the close: now it takes effect
            yield from cancellation(state, record, now_us)


def _opened(state: State, round_: RoundRecord, seal: OpenedSeal) -> events.AnswerOpened:
    answer = seal.answer
    refused: tuple[BidRefusal, ...] = ()
    sheet: BidSheet | None = None
    if answer is None:
        whole = BidRefusal(
            bid="", code=seal.code, detail=seal.detail[:200], field=seal.field[:200], value=seal.value[:200]
        )
        refused = (whole,)
    elif isinstance(answer, BidSheet):
        sheet, refused = _checked(state, round_, seal.participant, answer)
    declined = answer if isinstance(answer, DeclineCall) else None
    return events.AnswerOpened(
        round_id=round_.id,
        participant=seal.participant,
        sequence=seal.sequence,
        sheet=sheet,
        code=None if declined is None else declined.code,
        detail="" if declined is None else declined.detail,
        refused=refused,
    )


def _checked(
    state: State, round_: RoundRecord, participant: str, sheet: BidSheet
) -> tuple[BidSheet | None, tuple[BidRefusal, ...]]:
    """Return the sheet without its invalid bids, and the first reason against each of those."""
    reason: dict[int, SheetFault] = {}
    for fault in faults(sheet, sheet_terms(state, round_, participant)):
        if fault.bids is None:
            return None, (_refusal("", fault),)
        for index in fault.bids:
            reason.setdefault(index, fault)
    refused = tuple(_refusal(sheet.bids.id[index], reason[index]) for index in sorted(reason))
    return without_bids(sheet, frozenset(reason)), refused


def _refusal(bid: str, fault: SheetFault) -> BidRefusal:
    shown = fault.value if isinstance(fault.value, str) else repr(fault.value)
    return BidRefusal(bid=bid, code=fault.code, detail=fault.detail, field=fault.field, value=shown[:200])
