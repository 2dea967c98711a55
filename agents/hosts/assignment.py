"""What it takes to run a company somewhere: who it is, what it means to do, how it reaches its market."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from agents.profile import Profile
from agents.roles import role_of
from agents.roles.customer import Intention
from takt_sdk.company import Company
from takt_sdk.joining import join
from takt_sdk.model.values import Window
from takt_sdk.narrator import Narrator
from takt_sdk.nats.credentials import CredentialsFile
from takt_sdk.nats.tls import pinned
from takt_sdk.outbox import Outbox
from takt_sdk.pace import Pace
from takt_sdk.ports import ParticipantBus


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsAddress:
    """Where a market is reached. ``server_name`` is checked if given.

    ``tls_cert`` is the file of the only server certificate to trust, ``tls_ca`` of the only authority;
    with neither a ``tls://`` server must have one that this machine trusts.
    """

    url: str
    market: str
    server_name: str | None = None
    tls_cert: str = ""
    tls_ca: str = ""

    def tls(self) -> ssl.SSLContext | None:
        """Return whom to trust; None: as this machine does."""
        if self.tls_cert:
            return pinned(Path(self.tls_cert))
        return ssl.create_default_context(cafile=self.tls_ca) if self.tls_ca else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A company to host. ``creds`` is the text of its ``.creds`` file; ``intentions`` a customer's.

    In its ``silence``, of market time, it neither hears nor says anything.
    """

    profile: Profile
    creds: str = field(repr=False)
    intentions: tuple[Intention, ...] = ()
    silence: Window | None = None


def company_on_nats(
    assignment: Assignment,
    address: NatsAddress,
    pace: Pace,
    *,
    credentials: CredentialsFile | None = None,
    outbox: Outbox | None = None,
    narrator: Narrator | None = None,
) -> Company:
    """Return a company that will connect with its own credentials.

    ``credentials`` are read again at each connection, instead of those of the assignment.
    """

    async def connect() -> ParticipantBus:
        text = assignment.creds if credentials is None else credentials.read()
        if credentials is not None and narrator is not None:
            narrator.credentials(credentials.expires_us)
        return await join(
            address.url,
            text,
            address.market,
            assignment.profile.participant,
            server_name=address.server_name,
            tls=address.tls(),
            store=outbox,
        )

    return Company(
        assignment.profile.participant,
        lambda: role_of(assignment.profile, assignment.intentions),
        connect,
        pace,
        outbox=outbox,
        renewed=(lambda: False) if credentials is None else credentials.renewed,
        narrator=narrator,
    )
