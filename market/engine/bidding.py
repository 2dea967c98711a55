"""Answers to a call: bid sheets and refusals. Decides; changes nothing itself.

The model has already refused sheets that are wrong in themselves; here they are held against the
call: what was called, the sender's sites, the dates, the rules' limits.
"""

from __future__ import annotations

from market.engine.audience import concerns
from market.engine.decision import Decision, Inbound, accept, refuse, repeat
from market.engine.signatures import equivocation
from market.engine.state import RoundRecord, State
from market.model import events
from market.model.events import Event
from takt_sdk.model.messages import DeclineCall
from takt_sdk.model.sealed import SealedSheet, smallest_size
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.sheet_check import SheetTerms, faults

_Answer = BidSheet | DeclineCall | SealedSheet


def answer(state: State, inbound: Inbound, command: _Answer, now_us: int) -> Decision:
    """Take a participant's answer to a call; a later one before the close replaces it.

    The answer that completes the round closes it where the rules say so; a sealed round waits for its
    deadline, and of a sealed answer only the envelope and the size are looked at.
    """
    round_ = state.rounds.get(command.round_id)
    if round_ is None or not concerns(round_, inbound.sender):
        return refuse("unknown", "no such round", field="round_id", value=command.round_id)
    seen = round_.received.get(inbound.sender, {})
    if inbound.sequence in seen:
        digest, position = seen[inbound.sequence]
        if digest == inbound.digest or _stands(round_, inbound, command):
            return repeat(position, command.round_id)
        twice = refuse(
            "equivocation", "another answer has this number", field="sequence", value=inbound.sequence
        )
        return equivocation(state, inbound, command.round_id, seen[inbound.sequence], twice, now_us)
    refused = _turn_refused(state, round_, inbound, now_us) or _form_refused(round_, inbound.sender, command)
    if refused is None and isinstance(command, BidSheet):
        refused = _sheet_refused(state, round_, inbound.sender, command)
    if refused is not None:
        return refused
    if isinstance(command, BidSheet):
        received: Event = events.SheetReceived(
            participant=inbound.sender, sequence=inbound.sequence, digest=inbound.digest, sheet=command
        )
    elif isinstance(command, SealedSheet):
        received = events.SealedReceived(
            round_id=command.round_id,
            participant=inbound.sender,
            sequence=inbound.sequence,
            digest=inbound.digest,
            size=command.size,
        )
        return accept(received, subject_id=round_.id)
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


def _stands(round_: RoundRecord, inbound: Inbound, command: _Answer) -> bool:
    """Return whether a sheet is the one that stands, which an earlier release digested without new fields."""
    known = round_.answers.get(inbound.sender)
    return known is not None and (known.sequence, known.sheet) == (inbound.sequence, command)


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


def _form_refused(round_: RoundRecord, sender: str, command: _Answer) -> Decision | None:
    """Refuse an answer in clear where bids are sealed, one that is sealed elsewhere, or too small a one."""
    if bool(round_.sealing_key) != isinstance(command, SealedSheet):
        form = "are sealed to its key" if round_.sealing_key else "are not sealed"
        return refuse("invalid", f"answers to this round {form}", field="body.kind", value=command.kind)
    if isinstance(command, SealedSheet):
        least = smallest_size(len(round_.eligible[sender]))
        if command.size < least:
            detail = f"an answer to this call is padded to at least {least} bytes"
            return refuse("invalid", detail, field="ciphertext", value=f"{command.size} bytes")
    return None


def sheet_terms(state: State, round_: RoundRecord, sender: str) -> SheetTerms:
    """Return what a participant's sheet is held against in a round."""
    rules = state.rules
    return SheetTerms(
        deadline_us=round_.deadline_us,
        first_period=rules.periods.index(round_.opened_us),
        max_periods=rules.max_periods,
        max_bids=rules.max_bids_per_sheet,
        max_price_minor=rules.max_price_minor,
        emissions_minor_per_tonne=rules.emissions_minor_per_tonne,
        sites=round_.sites.get(sender, state.participants[sender].admission.sites),
        lots={round_.lots[index].id: round_.lots[index] for index in round_.eligible[sender]},
    )


def _sheet_refused(state: State, round_: RoundRecord, sender: str, sheet: BidSheet) -> Decision | None:
    """Refuse a sheet for the first thing that is wrong with it."""
    fault = next(faults(sheet, sheet_terms(state, round_, sender)), None)
    return None if fault is None else refuse(fault.code, fault.detail, field=fault.field, value=fault.value)
