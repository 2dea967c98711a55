"""Who may speak for a participant, and what becomes of two words on one matter. Decides; changes nothing.

Whether a signature is right was settled by the host that took the message (`Inbound.signed_by`); here it
is settled whether that key is the participant's at this log position.
"""

from __future__ import annotations

from dataclasses import replace

from market.engine.decision import Decision, Inbound, refuse
from market.engine.state import State
from market.model import events
from takt_sdk.model.messages import ParticipantCommand


def signature_refused(state: State, inbound: Inbound) -> Decision | None:
    """Refuse a participant's message that nobody, or not the participant's present key, has signed."""
    record = state.participants.get(inbound.sender)
    if record is None or not isinstance(inbound.body, ParticipantCommand):
        return None
    if record.revoked:
        return refuse(
            "not_allowed",
            "this participant was revoked",
            field="sender",
            value=inbound.sender,
            state="revoked",
        )
    if inbound.signed_by is None:
        return None
    if not record.key:
        if state.rules.signatures == "required":
            return refuse("not_allowed", "no signing key of yours is admitted", field="signature")
        return None
    if not inbound.signed_by:
        return refuse("not_allowed", f"must be signed with your key {record.key}", field="signature")
    if inbound.signed_by != record.key:
        return refuse("not_allowed", f"your key is {record.key}", field="signature", value=inbound.signed_by)
    return None


def equivocation(
    state: State,
    inbound: Inbound,
    conversation: str,
    first: tuple[str, int],
    refusal: Decision,
    now_us: int,
) -> Decision:
    """Return ``refusal``, with the proof where both bodies are signed.

    ``first`` is the (digest, log position) of what the sender said before under the same number. One
    proof a conversation is kept: more would prove no more, and fill the log.
    """
    record = state.participants[inbound.sender]
    digest, position = first
    if not inbound.signed_by or not record.had_key_at(position) or conversation in record.equivocations:
        return refusal
    seen = events.EquivocationSeen(
        participant=inbound.sender,
        conversation=conversation,
        sequence=inbound.sequence,
        position=position,
        first_digest=digest,
        second_digest=inbound.digest,
        at_us=now_us,
    )
    return replace(refusal, events=(seen,))
