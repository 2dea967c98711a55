"""Which contracts need a resource while it is down. Values only."""

from __future__ import annotations

from takt_sdk.model.contract import Contract
from takt_sdk.model.values import PeriodGrid, Window


def uses_within(contract: Contract, resource: str, window: Window, periods: PeriodGrid) -> bool:
    """Return whether a contract uses a resource in a period that a window touches."""
    first, last = periods.index(window.start_us), periods.index(window.end_us - 1)
    return any(use.resource == resource and first <= use.period <= last for use in contract.uses)
