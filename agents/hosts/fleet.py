"""Many companies started, advanced and stopped together: in this process, or behind the same shape on Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from takt_sdk.company import Company, CompanyStatus


class Fleet(Protocol):
    """Companies under one hand, wherever they run."""

    async def start(self) -> None:
        """Start every company; return when all have caught up with the market."""
        ...

    async def advance(self, now_us: int) -> None:
        """Let market time reach ``now_us`` everywhere; return when all that follows has receipts."""
        ...

    async def status(self) -> tuple[CompanyStatus, ...]:
        """Return how each company is, sorted by participant."""
        ...

    async def stop(self) -> None:
        """Stop every company."""
        ...


class LocalFleet:
    """`Fleet` on the event loop of this process."""

    def __init__(self, companies: Sequence[Company]) -> None:
        self.companies = {company.participant: company for company in companies}

    async def start(self) -> None:
        """Start every company; return when all have caught up with the market."""
        await asyncio.gather(*(company.start() for company in self.companies.values()))

    async def advance(self, now_us: int) -> None:
        """Let market time reach ``now_us`` everywhere; return when all that follows has receipts."""
        await asyncio.gather(*(company.advance(now_us) for company in self.companies.values()))

    async def status(self) -> tuple[CompanyStatus, ...]:
        """Return how each company is, sorted by participant."""
        return tuple(self.companies[name].status() for name in sorted(self.companies))

    async def stop(self) -> None:
        """Stop every company."""
        await asyncio.gather(*(company.stop() for company in self.companies.values()))
