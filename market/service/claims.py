"""What others hold against a log: heads that they were shown, receipts of their messages. Decides nothing.

A head that the market has signed and a log that does not extend it, or a receipt whose entry is not there,
prove that the market told two stories.
"""

from __future__ import annotations

from collections.abc import Sequence

from market.errors import AuditError
from market.service.chain import Chain
from takt_sdk.receipts import KeptReceipt, LogHead, ReceiptError, check_receipt


def check_head(chain: Chain, head: LogHead, market: str) -> None:
    """Raise unless the log extends a head that somebody was shown.

    Raises
    ------
    AuditError
        ``head`` where the head is not this market's word, ``truncated`` or ``fork`` where the log is not
        the one that it was of.
    """
    if head.market != market:
        raise AuditError("head", None, f"the head is of the market {head.market!r}; the log is of {market!r}")
    key = chain.key_at(head.size)
    if key and head.signature and not head.is_signed_by(key):
        raise AuditError("head", None, f"the head of size {head.size} is not signed by {key}")
    size = len(chain.leaves)
    if head.size > size:
        detail = f"the log ends at {size}, but its head of size {head.size} was shown: it was cut"
        raise AuditError("truncated", size, detail)
    if chain.roots[head.size].hex() != head.root:
        detail = f"the first {head.size} entries are not those of the head that was shown: the log is a fork"
        raise AuditError("fork", None, detail)


def check_receipts(chain: Chain, receipts: Sequence[KeptReceipt], market: str) -> None:
    """Raise unless every receipt holds and its entry stands where it says.

    Raises
    ------
    AuditError
        ``receipt`` where it does not hold by itself, ``omitted`` where the log has not the message.
    """
    for one in sorted(receipts, key=lambda kept: kept.receipt.position):
        receipt = one.receipt
        name = f"message {receipt.message_id} of {one.participant}"
        try:
            check_receipt(one, chain.key_at(receipt.size))
        except ReceiptError as error:
            raise AuditError("receipt", None, f"the receipt of {name} does not hold: {error}") from error
        if one.market != market:
            detail = f"the receipt of {name} is of the market {one.market!r}; the log is of {market!r}"
            raise AuditError("receipt", None, detail)
        position = receipt.position
        if position >= len(chain.leaves) or chain.leaves[position].hex() != receipt.leaf:
            detail = f"entry {position} is not {name}, which the market acknowledged: it was omitted"
            raise AuditError("omitted", position, detail)
        check_head(chain, one.head, market)
