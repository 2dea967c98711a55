"""What a participant checks of the market's word, and what it keeps to hold the market to it.

A receipt proves that the sender's exact bytes are the entry at a position of the log whose head the market
has signed. Pure functions of bytes; sends nothing and stores nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from takt_sdk.codec import adapter_of, decode, encode
from takt_sdk.errors import TaktError
from takt_sdk.log import SignedMessage, message_hash, signed_leaf
from takt_sdk.merkle import verify_consistency, verify_inclusion
from takt_sdk.model.messages import Receipt
from takt_sdk.model.proof import ProofReply
from takt_sdk.model.values import check_int, check_participant_id
from takt_sdk.signing import from_text, head_bytes, is_signed, message_bytes, to_text


class ReceiptError(TaktError):
    """The market's word does not hold: its own signature or hashes contradict it. Keep what it said.

    Attributes
    ----------
    what
        The word for what is wrong: ``signature``, ``leaf``, ``proof``, ``head`` or ``consistency``.
    """

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        super().__init__(detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """A head of the market's log; ``signature`` is base64url, hashes are lower-case hex."""

    kind: Literal["takt.log_head.v1"] = "takt.log_head.v1"
    market: str
    size: int
    root: str
    at_us: int
    signature: str

    def __post_init__(self) -> None:
        check_participant_id("market", self.market)
        check_int("size", self.size, 0, 2**53 - 1)

    def is_signed_by(self, key: str) -> bool:
        """Return whether a market's key has signed this head."""
        data = head_bytes(self.market, self.size, _bytes(self.root), self.at_us)
        return is_signed(key, from_text(self.signature), data)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReceipt:
    """A message as it was sent, and the market's receipt of it: enough to prove an omission, offline."""

    kind: Literal["takt.kept_receipt.v1"] = "takt.kept_receipt.v1"
    market: str
    participant: str
    channel: str
    message: str
    key: str
    signature: str
    receipt: Receipt

    @property
    def head(self) -> LogHead:
        """The head that the receipt is under."""
        return LogHead(
            market=self.market,
            size=self.receipt.size,
            root=self.receipt.root,
            at_us=self.receipt.head_us,
            signature=self.receipt.head_signature,
        )

    @property
    def signed_message(self) -> SignedMessage:
        """The message as the log commits to it."""
        return SignedMessage(
            channel=self.channel,
            body=self.message.encode(),
            key=self.key,
            signature=from_text(self.signature),
        )


def kept(market: str, participant: str, message: SignedMessage, receipt: Receipt) -> KeptReceipt:
    """Return what to keep of a message and its receipt."""
    return KeptReceipt(
        market=market,
        participant=participant,
        channel=message.channel,
        message=message.body.decode(),
        key=message.key,
        signature=to_text(message.signature),
        receipt=receipt,
    )


def check_receipt(one: KeptReceipt, market_key: str) -> None:
    """Raise unless a receipt proves what it says; without ``market_key`` the head's signature is left out.

    The receipt of a repeated message is of the first one's bytes, which may differ in their envelope: of
    it the leaf is checked against the head only. `check_proof` of its position shows what stands there.

    Raises
    ------
    ReceiptError
        Naming the first part that does not hold.
    """
    receipt, message = one.receipt, one.signed_message
    if message.key:
        data = message_bytes(one.market, one.channel, one.participant, message.body)
        if not is_signed(message.key, message.signature, data):
            raise ReceiptError("signature", f"{receipt.message_id} is not signed by {message.key}")
    if message.key and receipt.salt and not receipt.repeated:
        own = message_hash(message, receipt.entered_us, _bytes(receipt.salt))
        if signed_leaf(own, _bytes(receipt.outcome)).hex() != receipt.leaf:
            raise ReceiptError("leaf", f"the leaf at {receipt.position} is not that of {receipt.message_id}")
    _check_included(receipt.leaf, receipt.position, receipt.proof, one.head)
    if market_key and not one.head.is_signed_by(market_key):
        raise ReceiptError("head", f"the head of size {one.head.size} is not signed by the market")


def check_proof(reply: ProofReply, market: str, market_key: str, since: LogHead | None = None) -> LogHead:
    """Raise unless a reply proves its entries under its head, and that this head extends ``since``.

    Returns
    -------
    LogHead
        The head, to be kept and asked for again.

    Raises
    ------
    ReceiptError
        Naming the first part that does not hold.
    """
    head = LogHead(
        market=market,
        size=reply.size,
        root=reply.root,
        at_us=reply.head_us,
        signature=reply.head_signature,
    )
    for entry in reply.entries:
        if entry.salt and entry.message:
            message = SignedMessage(
                channel=entry.channel,
                body=entry.message.encode(),
                key=entry.key,
                signature=from_text(entry.signature),
            )
            own = message_hash(message, entry.entered_us, _bytes(entry.salt))
            if signed_leaf(own, _bytes(entry.outcome)).hex() != entry.leaf:
                raise ReceiptError("leaf", f"the leaf at {entry.position} is not that of its message")
        _check_included(entry.leaf, entry.position, entry.proof, head)
    if since is not None and not verify_consistency(
        first_size=since.size,
        first_root=_bytes(since.root),
        second_size=head.size,
        second_root=_bytes(head.root),
        proof=[_bytes(node) for node in reply.consistency],
    ):
        raise ReceiptError("consistency", f"the log of {head.size} does not extend that of {since.size}")
    if market_key and not head.is_signed_by(market_key):
        raise ReceiptError("head", f"the head of size {head.size} is not signed by the market")
    return head


def _check_included(leaf: str, position: int, proof: tuple[str, ...], head: LogHead) -> None:
    if not verify_inclusion(
        leaf=_bytes(leaf),
        index=position,
        size=head.size,
        root=_bytes(head.root),
        proof=[_bytes(node) for node in proof],
    ):
        raise ReceiptError("proof", f"the entry at {position} is not under the head of size {head.size}")


def _bytes(text: str) -> bytes:
    """Return the bytes of hex; nothing for text that is none, which no check then takes."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


# --- files -----------------------------------------------------------------------------------


@cache
def _kept() -> TypeAdapter[Any]:
    return adapter_of(KeptReceipt)


@cache
def _head() -> TypeAdapter[Any]:
    return adapter_of(LogHead)


def receipt_to_json(one: KeptReceipt) -> bytes:
    """Return a kept receipt as a file of its own: what `takt verify --receipt` takes."""
    return encode(one)


def receipt_from_json(data: bytes) -> KeptReceipt:
    """Return the kept receipt of a file; raises `takt_sdk.codec.DecodeError`."""
    one: KeptReceipt = decode(_kept(), data)
    return one


def head_from_json(data: bytes) -> LogHead:
    """Return the head of a file, what `takt verify --head` takes; raises `takt_sdk.codec.DecodeError`."""
    head: LogHead = decode(_head(), data)
    return head
