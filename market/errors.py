"""Errors that callers of the market can meet (`market.model.errors` has those of values).

::

    TaktError
    ├── MarketUnavailableError      stopping, or cannot commit now (retryable)
    ├── BusTimeoutError             no answer in time (retryable)
    ├── InvariantError              the engine broke its own rule: a bug, never retried
    └── ReplayError                 a journal that does not fold to what it says
"""

from __future__ import annotations


class TaktError(Exception):
    """Base of the market's errors."""

    retryable = False


class MarketUnavailableError(TaktError):
    """The market is stopping or cannot commit; nothing was done."""

    retryable = True


class BusTimeoutError(TaktError):
    """No answer came in time; the request may have had its effect, repeat it with the same id."""

    retryable = True


class InvariantError(TaktError):
    """The engine broke one of its own rules."""


class ReplayError(TaktError):
    """A journal does not fold to the state or digest that it states."""
