"""A partner's own pricing as an agent, in ten lines: `run` a function that prices a lot.

::

    from takt_sdk.simple import Quote, run

    def price(call, lot):
        minutes = 45 + 12 * lot.quantity
        return Quote(site="munich", resource="mill", minutes=minutes, price_minor=150 * minutes)

    run(price, creds="acme.creds", nats_url="nats://market.example:4222", capacity={"mill": 960})
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

from takt_sdk.company import Company
from takt_sdk.joining import join
from takt_sdk.mail import RefusedError
from takt_sdk.model.capability import Requirement
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import CallForProposals, Milestone, ReportMilestone
from takt_sdk.model.order import Lot
from takt_sdk.model.values import Window
from takt_sdk.narrator import Narrator, Tell
from takt_sdk.nats.credentials import CredentialsFile
from takt_sdk.outbox import Outbox
from takt_sdk.pace import Pace
from takt_sdk.ports import Clock, ParticipantBus
from takt_sdk.pricing_role import Minutes, Offer, Price, PricingRole, Quote
from takt_sdk.process import run_until_signal
from takt_sdk.role import Outgoing
from takt_sdk.wall_clock import WallClock

__all__ = [
    "CallForProposals",
    "Contract",
    "Lot",
    "Milestone",
    "Offer",
    "Partner",
    "Quote",
    "RefusedError",
    "Requirement",
    "Window",
    "run",
]


class Partner:
    """A company with a pricing of its own on one market.

    Parameters
    ----------
    price
        Asked for every lot that the company is called on.
    creds, seed
        The company's ``.creds`` file; with ``seed``, a file of its own key, it may hold the JWT only. It is
        read again when it changes: renewed credentials are taken up at once.
    nats_url, server_name, tls_ca
        Where the market is; the name that its server must have; the only authority to trust.
    capacity
        Minutes by resource in each of the market's periods.
    outbox
        Where messages and receipts are kept; with ``market_key`` (a public nkey) receipts must be signed by
        it. By default ``NAME.outbox.db`` beside ``creds``.
    """

    def __init__(
        self,
        price: Price,
        *,
        creds: str | Path,
        nats_url: str,
        capacity: Mapping[str, Minutes],
        seed: str | Path | None = None,
        server_name: str | None = None,
        tls_ca: str | Path | None = None,
        outbox: str | Path | None = None,
        offer: Offer | None = None,
        market_key: str = "",
        tell: Tell | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.credentials = CredentialsFile(Path(creds), None if seed is None else Path(seed))
        market, participant = self.credentials.market, self.credentials.participant
        self.outbox = Outbox(
            Path(outbox or Path(creds).with_name(f"{participant}.outbox.db")), f"{market}.{participant}"
        )
        tls = None if tls_ca is None else ssl.create_default_context(cafile=str(tls_ca))

        narrator = Narrator(tell or logging.getLogger(participant).info)

        async def connect() -> ParticipantBus:
            text = self.credentials.read()
            narrator.credentials(self.credentials.expires_us)
            return await join(
                nats_url,
                text,
                market,
                participant,
                server_name=server_name,
                tls=tls,
                market_key=market_key,
                store=self.outbox,
            )

        self.company = Company(
            participant,
            lambda: PricingRole(participant, price, capacity, offer),
            connect,
            Pace(clock=clock or WallClock()),
            outbox=self.outbox,
            renewed=self.credentials.renewed,
            narrator=narrator,
        )

    @property
    def role(self) -> PricingRole:
        """What the company knows: its contracts are ``role.execution.running``, by id."""
        assert isinstance(self.company.role, PricingRole), "a partner runs its own role"
        return self.company.role

    async def report(
        self, contract_id: str, milestone: Milestone, *, quantity: int = 0, detail: str = ""
    ) -> None:
        """Report a milestone of a contract that has been reached now.

        It is stored before it is sent: once this was called it reaches the market once in effect, whatever
        becomes of this process and the link. Returns when the market has it in its journal.

        Raises
        ------
        RefusedError
            If the market refused it for good.
        """
        body = ReportMilestone(
            contract_id=contract_id,
            milestone=milestone,
            at_us=self.company.now_us(),
            quantity=quantity,
            detail=detail,
        )
        await self.company.post(Outgoing(channel="report", correlation_id=contract_id, body=body))

    def run(self) -> None:
        """Take part until SIGINT or SIGTERM; errors as of `takt_sdk.process.run_until_signal`."""
        with self.outbox:
            asyncio.run(run_until_signal(self.company))


def run(
    price: Price,
    *,
    creds: str | Path,
    nats_url: str,
    capacity: Mapping[str, Minutes],
    seed: str | Path | None = None,
    server_name: str | None = None,
    tls_ca: str | Path | None = None,
    outbox: str | Path | None = None,
    market_key: str = "",
    offer: Offer | None = None,
) -> None:
    """Run a `Partner` as this process until Ctrl-C or SIGTERM, telling on the log what happens."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("takt_sdk").setLevel(logging.WARNING)
    partner = Partner(
        price,
        creds=creds,
        nats_url=nats_url,
        capacity=capacity,
        seed=seed,
        server_name=server_name,
        tls_ca=tls_ca,
        outbox=outbox,
        market_key=market_key,
        offer=offer,
    )
    partner.run()
