"""A participant's bus that signs what goes out, and checks and keeps the receipt of what came in.

Wraps any bus. The key may differ from one connection to the next: a message is signed when it is sent,
again where it is sent again. Decides nothing about messages.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from takt_sdk.codec import decode_reply
from takt_sdk.log import SignedMessage
from takt_sdk.model.messages import Receipt
from takt_sdk.ports import Delivery, ParticipantBus, RequestChannel
from takt_sdk.receipts import KeptReceipt, ReceiptError, check_receipt, kept
from takt_sdk.signing import Signer, signature_of

_LOG = logging.getLogger(__name__)


class ReceiptStore(Protocol):
    """Where receipts are kept, so that the market can be held to them."""

    def keep(self, receipt: KeptReceipt) -> None:
        """Keep a receipt that was checked."""
        ...

    def dispute(self, receipt: KeptReceipt, error: ReceiptError) -> None:
        """Keep a receipt that contradicts itself: the market has signed what cannot be."""
        ...


class SignedBus:
    """`takt_sdk.ports.ParticipantBus` of one participant of one market, over another bus.

    Parameters
    ----------
    bus
        Carries the requests.
    signer
        The participant's; None leaves requests unsigned and receipts unopened.
    market_key
        Public nkey of the market: whose signature under a head counts. Empty leaves heads unchecked.
    store
        Gets every receipt.
    """

    def __init__(
        self,
        bus: ParticipantBus,
        market: str,
        participant: str,
        signer: Signer | None,
        *,
        market_key: str = "",
        store: ReceiptStore | None = None,
    ) -> None:
        self._bus, self._market, self._participant = bus, market, participant
        self._signer, self._market_key, self._store = signer, market_key, store

    async def request(
        self,
        channel: RequestChannel,
        body: bytes,
        *,
        timeout_s: float,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> bytes:
        """Sign and send a request; return the reply, its receipt checked. Errors are the bus's own.

        Raises
        ------
        ReceiptError
            If the market acknowledged with a receipt that does not hold: it is no acknowledgement.
        """
        if self._signer is not None:
            headers = (*headers, *self._signer.headers(self._market, channel, self._participant, body))
        reply = await self._bus.request(channel, body, timeout_s=timeout_s, headers=headers)
        if channel != "query" and b'"takt.receipt.v1"' in reply[:64]:
            self._take(channel, body, headers, reply)
        return reply

    def _take(
        self, channel: RequestChannel, body: bytes, headers: tuple[tuple[str, str], ...], reply: bytes
    ) -> None:
        receipt = decode_reply(reply)
        assert isinstance(receipt, Receipt)
        if receipt.position < 0:
            return
        key, signature = signature_of(headers)
        message = SignedMessage(channel=channel, body=body, key=key, signature=signature)
        one = kept(self._market, self._participant, message, receipt)
        try:
            check_receipt(one, self._market_key)
        except ReceiptError as error:
            _LOG.critical("%s: the market's receipt does not hold: %s", self._participant, error)
            if self._store is not None:
                self._store.dispute(one, error)
            raise
        if self._store is not None:
            self._store.keep(one)

    def deliveries(self) -> AsyncIterator[tuple[Delivery, Callable[[], Awaitable[None]]]]:
        """Yield deliveries, as the bus does."""
        return self._bus.deliveries()

    async def heartbeat(self, body: bytes) -> None:
        """Tell the market that this participant lives, as the bus does."""
        await self._bus.heartbeat(body)

    async def close(self) -> None:
        """Release the bus."""
        await self._bus.close()
