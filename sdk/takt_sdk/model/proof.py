"""What may be asked of the log: one's own entries, proved; all of it, by auditors. Values only."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLog:
    """Ask for the whole log from position ``start`` on, as an auditor whom the rules name.

    ``offset`` is how many bytes one has already of an entry that comes in parts.
    """

    kind: Literal["takt.query_log.v1"] = "takt.query_log.v1"
    start: int
    offset: int = 0

    def __post_init__(self) -> None:
        check_int("start", self.start, 0, _MAX_POSITION)
        check_int("offset", self.offset, 0, _MAX_POSITION)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry as it is stored, with the salt of its leaf: the leaf is recomputed, not told.

    ``message`` and ``events`` are the JSON that was received, and what it caused. ``salt`` is lower-case
    hex, ``signature`` is base64url.
    """

    now_us: int
    source: str
    message: str
    events: str
    engine_version: str
    rules_version: int
    key: str
    signature: str
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitHead:
    """The head that the market stated over its first ``size`` entries when it committed them."""

    size: int
    root: str
    at_us: int
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReply:
    """A page of the log: whole entries from ``start`` on, or a part of the one at ``start``.

    Attributes
    ----------
    size
        How many entries the log has.
    entries
        Whole entries, in order; none where the next one comes in parts, or there is none.
    part, part_of
        Base64 of the bytes from ``offset`` on of an entry's JSON (a `LogEntry`) that is too large for one
        reply, and how many bytes it has; else empty and 0.
    heads
        Of the commits that end on this page. Where there is nothing more, the present one.
    """

    kind: Literal["takt.log_reply.v1"] = "takt.log_reply.v1"
    participant: str
    size: int
    start: int
    offset: int
    entries: tuple[LogEntry, ...]
    part: str
    part_of: int
    heads: tuple[CommitHead, ...]


LogQuery = QueryProof | QueryLog
LogAnswer = ProofReply | LogReply
