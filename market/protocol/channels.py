"""Which subject carries what, between whom. One table for AsyncAPI, the page and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from takt_sdk.model.execution import ContractReply
from takt_sdk.model.messages import (
    BidderCommand,
    CallForProposals,
    CustomerCommand,
    Heartbeat,
    Notice,
    Query,
    Receipt,
    Refused,
    ReportCommand,
    SyncReply,
    Tape,
)
from takt_sdk.model.proof import LogAnswer
from takt_sdk.nats.subjects import inbox_prefix, stream_name, subject, tape_subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A subject of one participant: what it sends or receives there and what answers it."""

    name: str
    action: Literal["send", "receive"]
    summary: str
    bodies: tuple[type, ...]
    replies: tuple[type, ...] = ()
    durable: bool = False


_ANSWER = (Receipt, Refused)

CHANNELS: tuple[Channel, ...] = (
    Channel(
        name="cfp",
        action="receive",
        summary="A call for proposals, from the mailbox; acknowledge it when it is answered.",
        bodies=(CallForProposals,),
        durable=True,
    ),
    Channel(
        name="notice",
        action="receive",
        summary="Results, contracts, orders; from the mailbox, in order with the calls.",
        bodies=get_args(Notice),
        durable=True,
    ),
    Channel(
        name="bid",
        action="send",
        summary="Answer a call with a bid sheet, or decline it.",
        bodies=get_args(BidderCommand),
        replies=_ANSWER,
    ),
    Channel(
        name="report",
        action="send",
        summary="Say how far a contract is, that something broke, or object to a score.",
        bodies=get_args(ReportCommand),
        replies=_ANSWER,
    ),
    Channel(
        name="order",
        action="send",
        summary="Publish a part, submit, change or cancel an order (customers).",
        bodies=get_args(CustomerCommand),
        replies=_ANSWER,
    ),
    Channel(
        name="query",
        action="send",
        summary="Ask for everything that concerns you, your statement, your score, or proofs of the log.",
        bodies=get_args(Query),
        replies=(SyncReply, *get_args(ContractReply), *get_args(LogAnswer), Refused),
    ),
    Channel(
        name="tape",
        action="receive",
        summary="What a clearing came to, for everybody; published once, lost if nobody listens.",
        bodies=(Tape,),
    ),
    Channel(
        name="heartbeat",
        action="send",
        summary="Say that you live; no reply.",
        bodies=(Heartbeat,),
    ),
)


def subject_of(channel: str) -> str:
    """Return the subject of a channel with its parameters in braces."""
    if channel == "tape":
        return tape_subject("market").replace("market", "{market}")
    return (
        subject("market", channel, "participant")
        .replace("market", "{market}")
        .replace(".participant", ".{participant}")
    )


def inbox() -> str:
    """Return the prefix of a participant's inboxes with its parameter in braces."""
    return inbox_prefix("participant").replace("participant", "{participant}")


def mailbox() -> str:
    """Return the name of a participant's stream with its parameters in braces."""
    return (
        stream_name("market", "participant")
        .replace("market", "{market}")
        .replace("participant", "{participant}")
    )
