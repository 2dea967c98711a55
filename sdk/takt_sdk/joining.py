"""A participant's way onto a market: a connection with its credentials, whose key also signs what it says."""

from __future__ import annotations

import ssl

from takt_sdk.nats.creds import market_key_of, seed_of
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.ports import ParticipantBus
from takt_sdk.signed_bus import ReceiptStore, SignedBus
from takt_sdk.signing import Signer


async def join(
    url: str,
    creds: str,
    market: str,
    participant: str,
    *,
    server_name: str | None = None,
    tls: ssl.SSLContext | None = None,
    market_key: str = "",
    store: ReceiptStore | None = None,
) -> ParticipantBus:
    """Return a connection with the text of a ``.creds`` file that signs with the key in it.

    ``market_key`` is whose signature under a receipt counts, the one that the credentials name where it is
    not given; ``store`` gets every receipt.

    Raises
    ------
    BusRefusedError
        If the server is not reached, is another one, or refuses the credentials.
    """
    bus = await NatsParticipantBus.connect(url, creds, market, participant, server_name=server_name, tls=tls)
    key = market_key or market_key_of(creds)
    return SignedBus(bus, market, participant, Signer(seed_of(creds)), market_key=key, store=store)
