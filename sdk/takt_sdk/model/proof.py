"""What a participant may ask of the log: its own entries, proved, and that the log only grew. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from takt_sdk.model.values import check_count, check_int

MAX_PROVEN = 100
"""Most entries that one query asks for."""
_MAX_POSITION = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryProof:
    """Ask for proofs of own entries at log ``positions``, and of growth since the log had ``since_size``.

    ``since_size`` 0 asks for no proof of growth.
    """

    kind: Literal["takt.query_proof.v1"] = "takt.query_proof.v1"
    positions: tuple[int, ...] = ()
    since_size: int = 0

    def __post_init__(self) -> None:
        check_count("positions", self.positions, MAX_PROVEN)
        for index, position in enumerate(self.positions):
            check_int(f"positions[{index}]", position, 0, _MAX_POSITION)
        check_int("since_size", self.since_size, 0, _MAX_POSITION)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEntry:
    """An entry of the participant's own, with the audit path of its leaf in the tree of the reply's head.

    Of a signed message, ``salt``, ``outcome`` and the message itself give the leaf; the message is left
    out where the reply would become too large. Hashes are lower-case hex, ``signature`` is base64url.
    """

    position: int
    entered_us: int
    channel: str
    message: str
    key: str
    signature: str
    salt: str
    outcome: str
    leaf: str
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofReply:
    """The present head, entries under it, and the proof that it extends the head of ``since_size``."""

    kind: Literal["takt.proof_reply.v1"] = "takt.proof_reply.v1"
    participant: str
    size: int
    root: str
    head_us: int
    head_signature: str
    since_size: int
    consistency: tuple[str, ...]
    entries: tuple[ProvenEntry, ...]
