"""What the operator and the host ask of the market about contracts. Joined in `market.model.commands`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from takt_sdk.model.values import MAX_MINOR, check_id, check_int, check_participant_id, check_text, check_time


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveReallocation:
    """Let an order that waits for a human be called again, or end it unserved."""

    kind: Literal["takt.approve_reallocation.v1"] = "takt.approve_reallocation.v1"
    order_id: str
    approve: bool = True

    def __post_init__(self) -> None:
        check_id("order_id", self.order_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPayment:
    """Book money that a participant paid in or (negative) was paid out; ``reference`` is unique."""

    kind: Literal["takt.record_payment.v1"] = "takt.record_payment.v1"
    participant: str
    amount_minor: int
    reference: str

    def __post_init__(self) -> None:
        check_participant_id("participant", self.participant)
        check_int("amount_minor", self.amount_minor, -MAX_MINOR, MAX_MINOR)
        check_id("reference", self.reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveAppeal:
    """Decide an appeal; one that is upheld takes the observation out of the record."""

    kind: Literal["takt.resolve_appeal.v1"] = "takt.resolve_appeal.v1"
    contract_id: str
    upheld: bool
    reason: str = ""

    def __post_init__(self) -> None:
        check_id("contract_id", self.contract_id)
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSilence:
    """The host has not heard of a participant since ``last_heard_us``, or hears it again."""

    kind: Literal["takt.note_silence.v1"] = "takt.note_silence.v1"
    participant: str
    last_heard_us: int
    silent: bool = True

    def __post_init__(self) -> None:
        check_participant_id("participant", self.participant)
        check_time("last_heard_us", self.last_heard_us)


ContractOperatorCommand = ApproveReallocation | RecordPayment | ResolveAppeal
