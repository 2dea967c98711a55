"""Errors of the market's side of the bus.

::

    BusError                        in `takt_sdk.errors`
    ├── BusMailboxError             the participant has no mailbox
    │   └── BusMailboxFullError     or one that is full (retryable)
    ├── BusServerError              the embedded server cannot run
    └── CredentialsError            credentials cannot be issued so
"""

from __future__ import annotations

from takt_sdk.errors import BusError


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


class BusServerError(BusError):
    """The embedded server cannot start, or does not keep what the bus promises."""


class CredentialsError(BusError):
    """Credentials cannot be issued, renewed or exchanged.

    Attributes
    ----------
    field, value
        What is wrong.
    """

    def __init__(self, field: str, value: str, detail: str) -> None:
        self.field, self.value = field, value
        super().__init__(f"{field}: {detail}; was {value!r}")
