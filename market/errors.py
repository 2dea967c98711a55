"""Errors that callers of the market can meet; those of bus and values are in `takt_sdk`.

::

    TaktError                       in `takt_sdk.errors`
    ├── MarketUnavailableError      stopping, or cannot commit now (retryable)
    ├── InvariantError              the engine broke its own rule: a bug, never retried
    └── ReplayError                 a journal that does not fold to what it says
"""

from __future__ import annotations

from takt_sdk.errors import TaktError


class MarketUnavailableError(TaktError):
    """The market is stopping or cannot commit; nothing was done."""

    retryable = True


class InvariantError(TaktError):
    """The engine broke one of its own rules."""


class ReplayError(TaktError):
    """A journal does not fold to the state or digest that it states."""
