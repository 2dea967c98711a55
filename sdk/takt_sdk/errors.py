"""Errors that a participant can meet (`takt_sdk.model.errors` has those of values).

::

    TaktError
    ├── BusTimeoutError             no answer in time (retryable)
    ├── OutboxError                 the file of what was said cannot be used
    ├── DecodeError                 bytes are not a valid message (in `takt_sdk.codec`)
    └── BusError
        ├── BusClosedError          the bus was closed here
        ├── BusRefusedError         the other side cannot be trusted, or does not trust us
        │   └── WrongServerError    server_name, actual: another server answers (a BusClosedError too)
        ├── BusPayloadError         a message above the size limit
        └── BusRequestError         the market could not answer (retryable)
"""

from __future__ import annotations


class TaktError(Exception):
    """Base of the market's errors."""

    retryable = False


class BusTimeoutError(TaktError):
    """No answer came in time; the request may have had its effect, repeat it with the same id."""

    retryable = True


class BusError(TaktError):
    """Base of what goes wrong on the bus."""


class BusClosedError(BusError):
    """The bus was closed on this side."""


class BusRefusedError(BusError):
    """The server is not the expected one, or it refused the credentials."""


class WrongServerError(BusRefusedError, BusClosedError):
    """Another server answers than the one meant, at first or when it came back; nothing was sent to it.

    Attributes
    ----------
    server_name, actual
        The name that it must have, and the one that it has.
    """

    def __init__(self, url: str, server_name: str, actual: str) -> None:
        self.server_name, self.actual = server_name, actual
        super().__init__(f"the server at {url} must be {server_name!r}, was {actual!r}")


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


class BusRequestError(BusError):
    """The market failed on a request: it may have had its effect, repeat it with the same id."""

    retryable = True


class OutboxError(TaktError):
    """A company's outbox cannot be opened or written.

    Attributes
    ----------
    path
        The file.
    """

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        super().__init__(f"{path} {detail}")
