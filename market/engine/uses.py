"""What contracts use of their participants' resources. Values only."""

from __future__ import annotations

from collections import Counter

from takt_sdk.model.contract import Contract
from takt_sdk.model.values import PeriodGrid, Window


def uses_within(contract: Contract, resource: str, window: Window, periods: PeriodGrid) -> bool:
    """Return whether a contract uses a resource in a period that a window touches."""
    first, last = periods.index(window.start_us), periods.index(window.end_us - 1)
    return any(use.resource == resource and first <= use.period <= last for use in contract.uses)


def used(contract: Contract) -> Counter[tuple[str, int]]:
    """Return what a contract uses per (resource, period)."""
    return Counter({(use.resource, use.period): use.amount for use in contract.uses})
