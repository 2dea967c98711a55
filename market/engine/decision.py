"""What ``decide`` returns: events, and the reply to the sender. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from market.model.commands import Command
from market.model.events import EquivocationSeen, Event
from takt_sdk.model.quickly_built import quickly_built


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A message as the engine sees it: who sent it is vouched for by the host that took it.

    ``digest`` is the SHA-256 (hex) of the body's canonical encoding; it tells a retry from a conflict.
    ``signed_by`` is the public key whose signature over the exact message the host has verified, empty
    for a message without one; None where no signature is due because the host itself attests the
    sender (HTTP, the clock, the operator's own commands).
    """

    sender: str
    sequence: int
    digest: str
    body: Command
    signed_by: str | None = None


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The message has its effect. ``subject_id`` names what it created or changed."""

    subject_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The message had its effect before, at log ``position``; nothing happens again."""

    position: int
    subject_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The message changes nothing.

    ``code`` is one of `REFUSAL_CODES`; ``state`` is the state of the object it was about, where that
    is the reason; ``retryable`` says that the same message may succeed later.
    """

    code: str
    detail: str
    field: str = ""
    value: str = ""
    state: str = ""
    retryable: bool = False

    def __post_init__(self) -> None:
        assert self.code in REFUSAL_CODES, self.code


REFUSAL_CODES = frozenset(
    {
        "malformed",
        "invalid",
        "unknown",
        "not_allowed",
        "conflict",
        "equivocation",
        "sequence",
        "state",
        "closed",
        "not_called",
        "dates",
        "limit",
        "check_failed",
        "too_large",
        "busy",
    }
)
"""Every code that a refusal can carry, on the wire and as the type of an HTTP problem."""


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Events to journal and apply, in order, and the reply. A refusal has no events but evidence."""

    reply: Accepted | Repeated | Refusal
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.reply, Accepted):
            assert all(isinstance(event, EquivocationSeen) for event in self.events), self.reply


def refuse(
    code: str, detail: str, *, field: str = "", value: object = "", state: str = "", retryable: bool = False
) -> Decision:
    """Return a decision that changes nothing."""
    shown = value if isinstance(value, str) else repr(value)
    return Decision(
        reply=Refusal(
            code=code, detail=detail, field=field, value=shown[:200], state=state, retryable=retryable
        )
    )


def accept(*events: Event, subject_id: str = "") -> Decision:
    """Return a decision with its events."""
    return Decision(reply=Accepted(subject_id=subject_id), events=events)


def repeat(position: int, subject_id: str = "") -> Decision:
    """Return the decision of a message that had its effect before."""
    return Decision(reply=Repeated(position=position, subject_id=subject_id))
