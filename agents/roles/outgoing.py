"""What a role takes and gives: messages in, commands out. Holds no behaviour."""

from __future__ import annotations

from dataclasses import dataclass

from market.model.messages import (
    CallForProposals,
    ContractAmended,
    ContractNotice,
    OrderNotice,
    ParticipantCommand,
    RoundResult,
    SyncReply,
    Tick,
)
from market.ports import RequestChannel

Incoming = CallForProposals | RoundResult | ContractAmended | ContractNotice | OrderNotice | SyncReply | Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A command for the market, before it has an envelope.

    ``correlation_id`` names the conversation: the round of a sheet, the contract of a report, empty
    elsewhere.
    """

    channel: RequestChannel
    correlation_id: str
    body: ParticipantCommand
