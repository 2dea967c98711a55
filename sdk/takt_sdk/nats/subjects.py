"""What is called how on NATS: subjects, mailboxes, inboxes. Standard library only; both sides use it."""

from __future__ import annotations

import re

from takt_sdk.model.errors import InvalidIdError

MAX_PAYLOAD_BYTES = 1 << 20
MAILBOX_CONSUMER = "mailbox"
REQUEST_CHANNELS = ("bid", "report", "order", "query")
MAILBOX_CHANNELS = ("cfp", "notice")
FAILED_HEADER = "Takt-Failed"
"""On a reply without a body: the market could not answer; the value says why in one word."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


def market_id(value: str) -> str:
    """Return a market id that fits one token of a subject, or raise `InvalidIdError`."""
    if not _ID.fullmatch(value):
        raise InvalidIdError("market", value)
    return value


def participant_id(value: str) -> str:
    """Return a participant id that fits one token of a subject, or raise `InvalidIdError`."""
    if not _ID.fullmatch(value):
        raise InvalidIdError("participant", value)
    return value


def subject(market: str, channel: str, participant: str) -> str:
    """Return the subject of a channel of one participant."""
    return f"takt.v1.{market_id(market)}.{channel}.{participant_id(participant)}"


def tape_subject(market: str) -> str:
    """Return the subject of the public tape."""
    return f"takt.v1.{market_id(market)}.tape"


def stream_name(market: str, participant: str) -> str:
    """Return the JetStream stream that is a participant's mailbox."""
    return f"{market_id(market)}_{participant_id(participant)}"


def inbox_prefix(participant: str) -> str:
    """Return the prefix of the only inboxes that a participant may listen on."""
    return f"_INBOX_{participant_id(participant)}"
