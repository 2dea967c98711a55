"""Receipts and proofs: what the market says of its log, signed, so that it can be held to it.

One signature a commit covers every receipt of it: a receipt carries the audit path from its entry to the
signed head. Reads the journal; decides nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from market.engine.decision import Refusal
from market.engine.state import State
from market.leaf import opening
from market.ports import Entry, Journal, Stored, TreeHead
from market.proofs import Proofs
from market.service.log_pages import log_page, not_an_auditor
from takt_sdk.model.messages import Receipt
from takt_sdk.model.proof import LogAnswer, LogQuery, ProofReply, ProvenEntry, QueryLog, QueryProof
from takt_sdk.ports import REQUEST_CHANNELS
from takt_sdk.signing import Signer, head_bytes, to_text

MESSAGES_BYTES = 512 * 1024
"""Bytes of messages after which a reply of proofs leaves them out."""


class Receipts:
    """Signs heads and proves entries of one journal.

    ``signer`` is the market's, used only where the journal names its key (`OpenMarket.market_key`).
    """

    def __init__(self, journal: Journal, state: Callable[[], State], signer: Signer | None) -> None:
        self._journal, self._state, self._signer = journal, state, signer
        size, peaks = journal.peaks()
        self._proofs = Proofs(size, peaks, journal.leaves)
        self._last: dict[int, tuple[Entry, bytes, bytes]] = {}

    def sign(self, head: TreeHead) -> TreeHead:
        """Return a head as the market states it at its present time."""
        state = self._state()
        if self._signer is None or self._signer.key != state.market_key:
            return head
        data = head_bytes(state.market, head.size, head.root, state.now_us)
        return replace(head, at_us=state.now_us, signature=self._signer.sign(data))

    def stored(self, entries: Sequence[Entry], leaves: Sequence[bytes], size: int) -> None:
        """Take note of a batch that was committed, the log then being of ``size``."""
        first = size - len(leaves)
        salts = self._journal.salts(first, size)
        self._proofs.append(leaves)
        self._last = {first + at: (entry, leaves[at], salts[at]) for at, entry in enumerate(entries)}

    async def of(self, message_id: str, position: int, head: TreeHead, *, repeated: bool) -> Receipt:
        """Return the receipt of an entry under a head; position -1 means that nothing had to be stored."""
        if position < 0:
            return _receipt(message_id, position, b"", head)
        known = self._last.get(position)
        if known is None:
            return await asyncio.to_thread(self._of_old, message_id, position, head, repeated)
        return self._of(message_id, position, known, head, repeated=repeated)

    def _of_old(self, message_id: str, position: int, head: TreeHead, repeated: bool) -> Receipt:  # noqa: FBT001
        stored = self._entry(position)
        known = stored.entry, stored.leaf, stored.salt
        return self._of(message_id, position, known, head, repeated=repeated)

    def _of(
        self,
        message_id: str,
        position: int,
        known: tuple[Entry, bytes, bytes],
        head: TreeHead,
        *,
        repeated: bool,
    ) -> Receipt:
        entry, leaf, salt = known
        receipt = replace(
            _receipt(message_id, position, leaf, head),
            repeated=repeated,
            proof=tuple(node.hex() for node in self._proofs.inclusion(position, head.size)),
        )
        if not entry.signature:
            return receipt
        own, outcome = opening(entry, salt)
        return replace(receipt, entered_us=entry.now_us, salt=own.hex(), outcome=outcome.hex())

    # --- proofs ------------------------------------------------------------------------------

    async def prove(self, participant: str, query: LogQuery) -> LogAnswer | Refusal:
        """Return proofs of a participant's own entries; another's are as unknown as those never written.

        An auditor whom the rules name gets the log itself.
        """
        if not isinstance(query, QueryLog):
            return await asyncio.to_thread(self._prove, participant, query)
        if (refused := not_an_auditor(self._state(), participant)) is not None:
            return refused
        return await asyncio.to_thread(log_page, self._journal, participant, query)

    def _prove(self, participant: str, query: QueryProof) -> ProofReply | Refusal:
        head = self._journal.head()
        if query.since_size > head.size:
            return _unknown(f"the log has {head.size} entries", "since_size", query.since_size)
        entries: list[ProvenEntry] = []
        room = MESSAGES_BYTES
        for index, position in enumerate(query.positions):
            stored = self._entry(position) if position < head.size else None
            if stored is None or not _is_of(stored.entry, participant):
                return _unknown("no such entry of yours", f"positions[{index}]", position)
            room -= len(stored.entry.message)
            entries.append(self._proven(stored, head, with_message=room >= 0))
        return ProofReply(
            participant=participant,
            size=head.size,
            root=head.root.hex(),
            head_us=head.at_us,
            head_signature=to_text(head.signature),
            since_size=query.since_size,
            consistency=tuple(node.hex() for node in self._proofs.consistency(query.since_size, head.size)),
            entries=tuple(entries),
        )

    def _proven(self, stored: Stored, head: TreeHead, *, with_message: bool) -> ProvenEntry:
        entry = stored.entry
        own, outcome = opening(entry, stored.salt) if entry.signature else (b"", b"")
        return ProvenEntry(
            position=stored.position,
            entered_us=entry.now_us,
            channel=entry.source,
            message=entry.message.decode() if with_message else "",
            key=entry.key,
            signature=to_text(entry.signature),
            salt=own.hex(),
            outcome=outcome.hex(),
            leaf=stored.leaf.hex(),
            proof=tuple(node.hex() for node in self._proofs.inclusion(stored.position, head.size)),
        )

    def _entry(self, position: int) -> Stored:
        return next(iter(self._journal.read(position, position + 1)))


def _receipt(message_id: str, position: int, leaf: bytes, head: TreeHead) -> Receipt:
    return Receipt(
        message_id=message_id,
        position=position,
        leaf=leaf.hex(),
        size=head.size,
        root=head.root.hex(),
        head_us=head.at_us,
        head_signature=to_text(head.signature),
    )


def _is_of(entry: Entry, participant: str) -> bool:
    """Return whether an entry is a message of the participant's own, over the bus or attested by HTTP."""
    if entry.source not in {*REQUEST_CHANNELS, "http"}:
        return False
    return bool(json.loads(entry.message)["sender"] == participant)


def _unknown(detail: str, field: str, value: int) -> Refusal:
    return Refusal(code="unknown", detail=detail, field=field, value=str(value))
