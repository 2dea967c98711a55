"""A participant's bus that signs what goes out, and checks and keeps the receipt of what came in.

Wraps any bus. The key may differ from one connection to the next: a message is signed when it is sent,
again where it is sent again. Decides nothing about messages.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from takt_sdk.codec import decode_reply, digest_of, encode
from takt_sdk.errors import TaktError
from takt_sdk.log import SignedMessage
from takt_sdk.model.messages import Envelope, Receipt, Refused
from takt_sdk.model.proof import ProofReply, ProvenEntry, QueryProof
from takt_sdk.ports import Delivery, ParticipantBus, RequestChannel
from takt_sdk.receipts import KeptReceipt, LogHead, ReceiptError, check_proof, check_receipt, kept
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


class RefusedProofError(TaktError):
    """The market did not prove what was asked: an entry is not one's own, or the log is shorter."""


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

    async def prove(
        self, positions: Sequence[int] = (), since: LogHead | None = None, *, timeout_s: float = 5.0
    ) -> tuple[LogHead, tuple[ProvenEntry, ...]]:
        """Return the market's present head and own entries under it, proved; ``since`` was only added to.

        Keep the head and give it as ``since`` the next time: a market that tells two stories is found.

        Raises
        ------
        ReceiptError
            If a proof does not hold.
        RefusedProofError
            If an entry is not one's own.
        """
        query = QueryProof(positions=tuple(positions), since_size=0 if since is None else since.size)
        envelope = Envelope(
            message_id=f"proof-{digest_of(query)[:32]}",
            correlation_id="",
            causation_id="",
            sender=self._participant,
            sequence=0,
            occurred_us=0,
            body=query,
        )
        reply = decode_reply(await self.request("query", encode(envelope), timeout_s=timeout_s))
        if not isinstance(reply, ProofReply):
            raise RefusedProofError(reply.detail if isinstance(reply, Refused) else reply.kind)
        return check_proof(reply, self._market, self._market_key, since), reply.entries

    def deliveries(self) -> AsyncIterator[tuple[Delivery, Callable[[], Awaitable[None]]]]:
        """Yield deliveries, as the bus does."""
        return self._bus.deliveries()

    async def heartbeat(self, body: bytes) -> None:
        """Tell the market that this participant lives, as the bus does."""
        await self._bus.heartbeat(body)

    async def close(self) -> None:
        """Release the bus."""
        await self._bus.close()
