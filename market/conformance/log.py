"""The scripted market's log: it stores nothing, and its receipts hold as those of a market do."""

from __future__ import annotations

from market.merkle import inclusion_proof, root_of
from takt_sdk.log import SALT_SIZE, SignedMessage, message_hash, message_salt, outcome_hash, outcome_salt
from takt_sdk.log import signed_leaf as leaf_of
from takt_sdk.model.messages import Receipt
from takt_sdk.ports import Entropy
from takt_sdk.signing import Signer, head_bytes, to_text


class Log:
    """A Merkle log of messages, and the market's key that signs its heads."""

    def __init__(self, market: str, signer: Signer, entropy: Entropy) -> None:
        self._market, self._signer, self._entropy = market, signer, entropy
        self._leaves: list[bytes] = []
        self._entries: list[tuple[int, bytes, bytes]] = []

    def append(self, message: SignedMessage, now_us: int) -> int:
        """Add a message; return its position."""
        salt = self._entropy.token(SALT_SIZE)
        own = message_salt(salt)
        outcome = outcome_hash(b"[]", "conformance", 1, outcome_salt(salt))
        self._leaves.append(leaf_of(message_hash(message, now_us, own), outcome))
        self._entries.append((now_us, own, outcome))
        return len(self._leaves) - 1

    def receipt(
        self, message_id: str, position: int, subject_id: str, now_us: int, *, repeated: bool
    ) -> Receipt:
        """Return the receipt of an entry under the present head."""
        root, size = root_of(self._leaves), len(self._leaves)
        entered_us, salt, outcome = self._entries[position]
        return Receipt(
            message_id=message_id,
            position=position,
            leaf=self._leaves[position].hex(),
            size=size,
            root=root.hex(),
            subject_id=subject_id,
            repeated=repeated,
            entered_us=entered_us,
            salt=salt.hex(),
            outcome=outcome.hex(),
            proof=tuple(node.hex() for node in inclusion_proof(self._leaves, position)),
            head_us=now_us,
            head_signature=to_text(self._signer.sign(head_bytes(self._market, size, root, now_us))),
        )
