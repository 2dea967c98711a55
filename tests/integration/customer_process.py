"""The shipped customer agent with two orders, as a process: ``customer_process.py CREDS URL SERVER``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agents.hosts.assignment import Assignment, NatsAddress
from agents.hosts.process_host import run_company
from agents.profile import CustomerProfile
from agents.roles.customer import Intention
from takt_sdk.model.capability import Requirement
from takt_sdk.model.messages import SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US
from takt_sdk.nats.credentials import CredentialsFile
from takt_sdk.outbox import Outbox

RELEASE_US = 40_000 * DAY_US
"""A day that no test will see."""


def orders() -> tuple[Intention, ...]:
    """Return what it wants: the same after a restart."""
    milling = Requirement(process="milling", material="steel")
    plan = ProcessPlan(lots=(PlannedLot(id="mill", kind="operation", requirement=milling),))
    return tuple(
        Intention(
            at_us=0,
            command=SubmitOrder(
                idempotency_key=f"po-{number}",
                part_id="bracket",
                plan=plan,
                terms=OrderTerms(
                    quantity=number,
                    destination="munich",
                    release_us=RELEASE_US,
                    due_us=RELEASE_US + 10 * DAY_US,
                    deadline_us=RELEASE_US + 20 * DAY_US,
                    reservation_value_minor=100_000,
                ),
            ),
        )
        for number in (1, 2)
    )


def main() -> None:
    """Run the customer until it is stopped."""
    creds, url, server = sys.argv[1:]
    credentials = CredentialsFile(Path(creds))
    name = credentials.participant
    profile = CustomerProfile(participant=name, site="munich")
    assignment = Assignment(profile=profile, creds="", intentions=orders())
    address = NatsAddress(url=url, market=credentials.market, server_name=server)
    with Outbox(Path(creds).with_suffix(".outbox.db"), f"{credentials.market}.{name}") as box:
        asyncio.run(run_company(assignment, address, credentials, outbox=box, tell=print))


if __name__ == "__main__":
    main()
