"""A company as an agent: messages in, commands out. Holds no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from takt_sdk.model.execution import ChangeQuote
from takt_sdk.model.messages import (
    BidsRefused,
    CallForProposals,
    ContractAmended,
    ContractNotice,
    OrderNotice,
    ParticipantCommand,
    RoundResult,
    SyncReply,
    Tick,
)
from takt_sdk.ports import RequestChannel

Incoming = (
    CallForProposals
    | RoundResult
    | BidsRefused
    | ContractAmended
    | ContractNotice
    | OrderNotice
    | ChangeQuote
    | SyncReply
    | Tick
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A command for the market, before it has an envelope.

    ``correlation_id`` names the conversation: the round of a sheet, the contract of a report, empty
    elsewhere.
    """

    channel: RequestChannel
    correlation_id: str
    body: ParticipantCommand


class Role(Protocol):
    """A company as an agent, free of clock, chance and network."""

    participant: str

    def handle(self, message: Incoming, now_us: int) -> tuple[Outgoing, ...]:
        """Take a message at market time ``now_us``; return what has to be sent, in order."""
        ...
