"""What admissions and keys change in the state: who takes part, and whose signature holds where.

Part of ``market.engine.apply``. Decides nothing, refuses nothing, reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from market.engine.state import KeyTerm, ParticipantRecord, State
from market.model import events


def _participant_admitted(state: State, event: events.ParticipantAdmitted) -> None:
    known = state.participants.get(event.admission.participant)
    state.index.watch_participant(None if known is None else known.admission, event.admission)
    if known is None:
        known = ParticipantRecord(admission=event.admission)
        state.participants[event.admission.participant] = known
    elif known.revoked:
        known.revoked = known.suspended = False
    known.admission = event.admission
    _hold_key(state, known, event.admission.signing_key)


def _participant_suspended(state: State, event: events.ParticipantSuspended) -> None:
    state.participants[event.participant].suspended = True


def _participant_reinstated(state: State, event: events.ParticipantReinstated) -> None:
    state.participants[event.participant].suspended = False


def _market_key_published(state: State, event: events.MarketKeyPublished) -> None:
    state.market_key = event.market_key


def _key_rotated(state: State, event: events.KeyRotated) -> None:
    record = state.participants[event.participant]
    record.admission = replace(record.admission, signing_key=event.signing_key)
    _hold_key(state, record, event.signing_key)


def _participant_revoked(state: State, event: events.ParticipantRevoked) -> None:
    record = state.participants[event.participant]
    admission = replace(record.admission, signing_key="", api_key_sha256=None)
    state.index.watch_participant(record.admission, admission)
    record.admission = admission
    record.revoked = record.suspended = True
    _hold_key(state, record, "")


def _hold_key(state: State, record: ParticipantRecord, key: str) -> None:
    """Let ``key`` sign from the present log position on; empty for none."""
    if key == record.key:
        return
    if record.key:
        record.keys = (*record.keys[:-1], replace(record.keys[-1], to_position=state.size))
    if key:
        record.keys = (*record.keys, KeyTerm(key=key, from_position=state.size))
        state.index.signing_keys[key] = record.admission.participant


def _equivocation_seen(state: State, event: events.EquivocationSeen) -> None:
    state.participants[event.participant].equivocations[event.conversation] = state.size


ADMISSION_APPLIERS: Mapping[type, Callable[[State, Any], None]] = {
    events.ParticipantAdmitted: _participant_admitted,
    events.ParticipantSuspended: _participant_suspended,
    events.ParticipantReinstated: _participant_reinstated,
    events.MarketKeyPublished: _market_key_published,
    events.KeyRotated: _key_rotated,
    events.ParticipantRevoked: _participant_revoked,
    events.EquivocationSeen: _equivocation_seen,
}
"""How each event about participants and keys changes the state."""
