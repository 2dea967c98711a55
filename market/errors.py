"""Errors that callers of the market can meet; those of bus and values are in `takt_sdk`.

::

    TaktError                       in `takt_sdk.errors`
    ├── MarketUnavailableError      stopping, or cannot commit now (retryable)
    │   └── MarketBusyError         retry_after_us: too much waits, of the sender or of all (retryable)
    ├── InvariantError              the engine broke its own rule: a bug, never retried
    ├── ReplayError                 a journal that does not fold to what it says
    │   └── AuditError              kind, position: the first thing that is wrong in it
    └── EscrowError                 the key of a sealed round cannot be had
        ├── EscrowUnavailableError  the escrow does not answer (retryable)
        └── EscrowRefusedError      it has no such key, or the close is not proven to it
"""

from __future__ import annotations

from takt_sdk.errors import TaktError


class MarketUnavailableError(TaktError):
    """The market is stopping or cannot commit; nothing was done."""

    retryable = True


class MarketBusyError(MarketUnavailableError):
    """Too much waits already; nothing was done.

    Attributes
    ----------
    retry_after_us
        How long to wait before the same is sent again.
    """

    def __init__(self, detail: str, retry_after_us: int = 100_000) -> None:
        super().__init__(detail)
        self.retry_after_us = retry_after_us


class InvariantError(TaktError):
    """The engine broke one of its own rules."""


class ReplayError(TaktError):
    """A journal does not fold to the state or digest that it states."""


class AuditError(ReplayError):
    """An audit found something wrong.

    Attributes
    ----------
    kind
        One of ``missing``, ``edited``, ``tree``, ``truncated``, ``uncovered``, ``head``, ``fork``,
        ``receipt``, ``omitted``, ``signature``, ``key``, ``decision``, ``clearing``, ``opening``.
    position
        Where; None if it concerns no entry.
    """

    def __init__(self, kind: str, position: int | None, detail: str) -> None:
        self.kind, self.position = kind, position
        super().__init__(detail)


class EscrowError(TaktError):
    """The escrow does not give a key."""


class EscrowUnavailableError(EscrowError):
    """The escrow does not answer, or failed on the request; ask again."""

    retryable = True


class EscrowRefusedError(EscrowError):
    """The escrow has no such key any more, or does not accept the proof of the close."""
