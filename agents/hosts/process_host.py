"""One company as a process of its own, until a signal stops it."""

from __future__ import annotations

from agents.hosts.assignment import Assignment, NatsAddress, company_on_nats
from takt_sdk.narrator import Narrator, Tell
from takt_sdk.nats.credentials import CredentialsFile
from takt_sdk.outbox import Outbox
from takt_sdk.pace import Pace
from takt_sdk.process import run_until_signal
from takt_sdk.wall_clock import WallClock


async def run_company(
    assignment: Assignment,
    address: NatsAddress,
    credentials: CredentialsFile,
    *,
    outbox: Outbox | None = None,
    tell: Tell,
) -> None:
    """Run a company by the wall clock until SIGINT or SIGTERM; errors as of `run_until_signal`.

    ``credentials`` are read at each connection, and renewed ones make a new connection.
    """
    company = company_on_nats(
        assignment,
        address,
        Pace(clock=WallClock()),
        credentials=credentials,
        outbox=outbox,
        narrator=Narrator(tell),
    )
    await run_until_signal(company)
