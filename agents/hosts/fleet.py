"""Many companies started, advanced and stopped together: in this process, or behind the same shape on Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from takt_sdk.company import Company
from takt_sdk.mail import RefusedError
from takt_sdk.model.values import Window
from takt_sdk.pace import CompanyStatus
from takt_sdk.role import Outgoing


class Fleet(Protocol):
    """Companies under one hand, wherever they run."""

    async def start(self) -> None:
        """Start every company; return when all have caught up with the market."""
        ...

    async def advance(self, now_us: int) -> None:
        """Let market time reach ``now_us`` everywhere; return when all that follows has receipts.

        Who is silent then sees none of it; whoever may fall silent sends a heartbeat.
        """
        ...

    async def hush(self, now_us: int) -> None:
        """Let those companies fall silent whose silence begins at ``now_us``, after a last heartbeat."""
        ...

    async def post(self, participant: str, out: Outgoing) -> str:
        """Let a company send a command of its own; return what the receipt is of, nothing for a refusal."""
        ...

    async def status(self) -> tuple[CompanyStatus, ...]:
        """Return how each company is, sorted by participant."""
        ...

    async def stop(self) -> None:
        """Stop every company."""
        ...


class LocalFleet:
    """`Fleet` on the event loop of this process.

    ``silences`` are the times, of market time, in which a company neither hears nor says anything. It
    comes back as after a crash: it knows what the market knows.
    """

    def __init__(self, companies: Sequence[Company], silences: Mapping[str, Window] | None = None) -> None:
        self.companies = {company.participant: company for company in companies}
        self._silences = silences or {}
        self._silent: set[str] = set()

    async def start(self) -> None:
        """Start every company; return when all have caught up with the market."""
        await asyncio.gather(*(company.start() for company in self.companies.values()))

    async def advance(self, now_us: int) -> None:
        """Let market time reach ``now_us`` everywhere; return when all that follows has receipts."""
        await asyncio.gather(*(self._advance(company, now_us) for company in self.companies.values()))

    async def _advance(self, company: Company, now_us: int) -> None:
        name = company.participant
        window = self._silences.get(name)
        if window is None:
            await company.advance(now_us)
        elif window.start_us <= now_us < window.end_us:
            await self._silence(company)
        else:
            if name in self._silent:
                self._silent.remove(name)
                await company.start()
            await company.advance(now_us)
            await company.beat()

    async def hush(self, now_us: int) -> None:
        """Let those companies fall silent whose silence begins at ``now_us``, after a last heartbeat."""
        for name, window in self._silences.items():
            if window.start_us == now_us and name not in self._silent:
                await self.companies[name].beat()
                await self._silence(self.companies[name])

    async def _silence(self, company: Company) -> None:
        self._silent.add(company.participant)
        await company.stop()

    async def post(self, participant: str, out: Outgoing) -> str:
        """Let a company send a command of its own; return what the receipt is of, nothing for a refusal."""
        with suppress(RefusedError):
            return (await self.companies[participant].post(out)).subject_id
        return ""

    async def status(self) -> tuple[CompanyStatus, ...]:
        """Return how each company is, sorted by participant."""
        return tuple(self.companies[name].status() for name in sorted(self.companies))

    async def stop(self) -> None:
        """Stop every company."""
        await asyncio.gather(*(company.stop() for company in self.companies.values()))
