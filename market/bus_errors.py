"""Errors of the bus.

::

    TaktError
    ├── BusTimeoutError                 no answer in time (retryable; in `market.errors`)
    └── BusError
        ├── BusClosedError              the bus was closed here
        ├── BusRefusedError             the other side cannot be trusted, or does not trust us
        ├── BusPayloadError             a message above the size limit
        ├── BusMailboxError             the participant has no mailbox
        │   └── BusMailboxFullError     or one that is full (retryable)
        ├── BusRequestError             the market could not answer (retryable)
        └── BusServerError              the embedded server cannot run
"""

from __future__ import annotations

from market.errors import BusTimeoutError, TaktError

__all__ = [
    "BusClosedError",
    "BusError",
    "BusMailboxError",
    "BusMailboxFullError",
    "BusPayloadError",
    "BusRefusedError",
    "BusRequestError",
    "BusServerError",
    "BusTimeoutError",
]


class BusError(TaktError):
    """Base of what goes wrong on the bus."""


class BusClosedError(BusError):
    """The bus was closed on this side."""


class BusRefusedError(BusError):
    """The server is not the expected one, or it refused the credentials."""


class BusPayloadError(BusError):
    """A message is larger than the bus takes; it was not sent.

    Attributes
    ----------
    size_bytes, limit_bytes
        Of the message and of the bus.
    """

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(f"body must have at most {limit_bytes} bytes, was {size_bytes}")


class BusMailboxError(BusError):
    """A message cannot be put into a participant's mailbox.

    Attributes
    ----------
    participant
        Whose mailbox it is.
    """

    reason = "has no mailbox: admit it first"

    def __init__(self, participant: str) -> None:
        self.participant = participant
        super().__init__(f"participant {self.reason}, was {participant!r}")


class BusMailboxFullError(BusMailboxError):
    """A participant left too many messages unacknowledged; nothing is dropped, try again later."""

    reason = "has a full mailbox"
    retryable = True


class BusRequestError(BusError):
    """The market failed on a request: it may have had its effect, repeat it with the same id."""

    retryable = True


class BusServerError(BusError):
    """The embedded server cannot start, or does not keep what the bus promises."""
