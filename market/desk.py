"""The desk: what the gateway and the command line ask of a running market.

`market.service` implements it in process; a detached gateway implements it over the bus. Holds no
behaviour.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from market.model.commands import Command
from market.model.network import Network
from market.model.rules import Rules
from market.ports import ReadModel, RowChange
from takt_sdk.model.execution import ContractQuery, ContractReply
from takt_sdk.model.messages import Receipt, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row of a read model that a committed entry changed. ``position`` is the entry's."""

    position: int
    row: RowChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the market is: ``ready`` means that it commits and its bus answers."""

    ready: bool
    market: str
    now_us: int
    position: int
    round_id: str | None
    problems: tuple[str, ...] = ()
    pause_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """When a participant was last heard of, by a message or a heartbeat; None: not in this run."""

    participant: str
    suspended: bool
    agent: bool
    last_heard_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What an operator looks at: sizes, queues, ages. Counts only; nobody's prices, values or secrets.

    ``counts`` are totals since the start by name, ``orders``, ``contracts`` and ``rounds`` what the state
    holds by state, ``commit_s`` the counts of commits by the upper bound of their duration. ``resilience``
    are the figures of `market.engine.resilience` by name, but for its money.
    """

    health: Health
    started_us: int
    entries: int
    journal_bytes: int
    snapshot_entries: int
    snapshot_us: int | None
    round_state: str
    round_deadline_us: int | None
    orders: tuple[tuple[str, int], ...]
    contracts: tuple[tuple[str, int], ...]
    rounds: tuple[tuple[str, int], ...]
    waiting_messages: int
    waiting_bytes: int
    waiting_senders: int
    waiting_most: int
    outbox_open: int
    bus_connected: bool
    escrow: str
    participants: tuple[Presence, ...]
    counts: tuple[tuple[str, int], ...]
    messages: tuple[tuple[str, int], ...]
    commit_s: tuple[tuple[float, int], ...]
    commit_total_s: float
    resilience: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The rules in force, and the logistics network whose sites are the destinations."""

    rules: Rules
    network: Network


class Desk(Protocol):
    """A running market, seen from its gateway."""

    @property
    def market(self) -> str:
        """Id of the market."""
        ...

    async def submit(
        self, sender: str, body: Command, *, message_id: str, sequence: int = 0
    ) -> Receipt | Refused:
        """Put a command of ``sender`` before the engine; returns after the commit, or with a refusal.

        Raises
        ------
        MarketUnavailableError
            If the market is stopping or cannot commit; nothing was done, try again.
        """
        ...

    async def rows(
        self,
        model: ReadModel,
        *,
        tenant: str | None = None,
        key: str | None = None,
        status: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[RowChange]:
        """Return committed rows; with ``tenant`` only that tenant's."""
        ...

    def order_id(self, customer: str, idempotency_key: str) -> str:
        """Return the id that a customer's order has under a key, whether it exists or not."""
        ...

    async def participant_of_key(self, api_key_sha256: str) -> str | None:
        """Return the admitted, unsuspended participant that holds an API key, or None."""
        ...

    def watch(self, tenant: str | None) -> AsyncIterator[Change]:
        """Yield changes after their commit, from now on; a slow reader loses the oldest, blocks nobody."""
        ...

    async def health(self) -> Health:
        """Return how the market is."""
        ...

    async def query(self, participant: str, query: ContractQuery) -> ContractReply | Refused:
        """Return what a participant asks of its contracts, orders, account or record.

        Raises
        ------
        MarketUnavailableError
            If the market is stopping or cannot commit; try again.
        """
        ...

    async def status(self) -> Status:
        """Return what an operator looks at."""
        ...

    async def terms(self) -> Terms:
        """Return the rules in force and the network."""
        ...
