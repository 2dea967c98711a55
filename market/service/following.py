"""An auditor's side of the log: every entry's leaf and every signed head, recomputed as they come.

Nothing counts before a head covers it, and a head counts only if the entries themselves hash to it: no
proof of the market's is believed. Pure but for what it remembers; sends and stores nothing.
"""

from __future__ import annotations

from base64 import b64decode

from market.errors import AuditError
from market.leaf import SALT_SIZE, entry_leaf
from market.merkle import Frontier
from market.ports import Entry, Stored, TreeHead
from market.service.chain import Chain, keys_in
from takt_sdk.codec import DecodeError, adapter_of, decode
from takt_sdk.model.proof import CommitHead, LogEntry, LogReply, QueryLog
from takt_sdk.signing import from_text, head_bytes, is_signed

MAX_UNCOVERED = 100_000
"""Entries after which a head must have come."""
MAX_ENTRY_BYTES = 1 << 30

_ENTRY = adapter_of(LogEntry)


class Following:
    """What an auditor has of a market's log, and the check of what comes next.

    Parameters
    ----------
    chain
        What is there already, checked (`market.service.chain.check_chain`).
    market_key
        The market's public key as it is known from elsewhere than the log; empty believes the log. Another
        one that the log names after it is not believed: who has come by a server could name its own.
    """

    def __init__(self, chain: Chain, *, market: str, market_key: str = "") -> None:
        self._market, self._market_key = market, market_key
        self._frontier = Frontier().extend(chain.leaves)
        self._keys = list(chain.keys)
        self._waiting: list[Stored] = []
        self._part = bytearray()
        self.complete = False
        """Whether there was nothing more when last asked."""

    @property
    def size(self) -> int:
        """How many entries a head covers."""
        return self._frontier.size

    @property
    def root(self) -> bytes:
        """Root over the entries that a head covers."""
        return self._frontier.root()

    @property
    def query(self) -> QueryLog:
        """What to ask next."""
        return QueryLog(start=self.size + len(self._waiting), offset=len(self._part))

    def take(self, reply: LogReply) -> tuple[tuple[Stored, ...], tuple[TreeHead, ...]]:
        """Return the entries that are covered by now and their heads; what is not covered yet waits.

        Raises
        ------
        AuditError
            Naming the first thing that is wrong: keep the copy, it is the evidence.
        """
        asked = self.query
        if (reply.start, reply.offset) != (asked.start, asked.offset):
            raise AuditError(
                "missing", asked.start, f"asked for entry {asked.start}; was told of {reply.start}"
            )
        if reply.size < asked.start:
            detail = (
                f"the market's log has {reply.size} entries, this copy {asked.start}: some were taken back"
            )
            raise AuditError("truncated", reply.size, detail)
        for entry in (*reply.entries, *self._assembled(reply)):
            self._waiting.append(self._stored(asked.start, entry))
            asked = self.query
        self.complete = not reply.entries and not reply.part_of
        if self.complete and asked.start < reply.size:
            detail = f"of {reply.size} entries those from {asked.start} on are kept back"
            raise AuditError("missing", asked.start, detail)
        if self.complete and not reply.heads:
            raise AuditError("head", None, f"no head is stated of the log's {reply.size} entries")
        taken: list[Stored] = []
        heads: list[TreeHead] = []
        for stated in reply.heads:
            stored, head = self._covered(stated)
            taken += stored
            if stored:
                heads.append(head)
        if len(self._waiting) > MAX_UNCOVERED or (self.complete and self._waiting):
            raise AuditError("uncovered", self.size, f"no head covers the entries from {self.size} on")
        if self.complete:
            self._check_key(named=True)
        return tuple(taken), tuple(heads)

    def _assembled(self, reply: LogReply) -> tuple[LogEntry, ...]:
        """Return the entry whose last part has come, if it has."""
        if not reply.part_of:
            return ()
        position = self.query.start
        try:
            part = b64decode(reply.part, validate=True)
        except ValueError as error:
            raise AuditError("edited", position, f"a part of entry {position} is not base64") from error
        self._part += part
        if not part or len(self._part) > min(reply.part_of, MAX_ENTRY_BYTES):
            raise AuditError("edited", position, f"entry {position} does not have {reply.part_of} bytes")
        if len(self._part) < reply.part_of:
            return ()
        data, self._part = bytes(self._part), bytearray()
        try:
            entry: LogEntry = decode(_ENTRY, data)
        except DecodeError as error:
            raise AuditError("edited", position, f"entry {position} cannot be read: {error}") from error
        return (entry,)

    def _stored(self, position: int, told: LogEntry) -> Stored:
        entry = Entry(
            now_us=told.now_us,
            source=told.source,
            message=told.message.encode(),
            events=told.events.encode(),
            engine_version=told.engine_version,
            rules_version=told.rules_version,
            signature=from_text(told.signature),
            key=told.key,
        )
        try:
            salt = bytes.fromhex(told.salt)
        except ValueError as error:
            raise AuditError("edited", position, f"entry {position} has no salt in hex") from error
        if len(salt) != SALT_SIZE:
            raise AuditError("edited", position, f"the salt of entry {position} has {len(salt)} bytes")
        return Stored(position=position, entry=entry, salt=salt, leaf=entry_leaf(entry, salt))

    def _covered(self, stated: CommitHead) -> tuple[list[Stored], TreeHead]:
        """Return what a head covers anew, after checking that the entries hash to it and who signed it."""
        count = stated.size - self.size
        if not 0 <= count <= len(self._waiting):
            raise AuditError(
                "head", self.size, f"a head of size {stated.size} came after entry {self.query.start}"
            )
        covered, self._waiting = self._waiting[:count], self._waiting[count:]
        first = self.size
        frontier = self._frontier.extend([one.leaf for one in covered])
        head = TreeHead(
            size=stated.size,
            root=bytes.fromhex(stated.root) if _is_hex(stated.root) else b"",
            at_us=stated.at_us,
            signature=from_text(stated.signature),
        )
        if frontier.root() != head.root:
            detail = f"the entries from {first} on do not hash to the head of size {head.size}: a forked log"
            raise AuditError("fork", first, detail)
        for one in covered:
            self._keys += [(one.position, key) for key in keys_in(one)]
        key = next((key for position, key in reversed(self._keys) if position < head.size), "")
        data = head_bytes(self._market, head.size, head.root, head.at_us)
        if key and not is_signed(key, head.signature, data):
            raise AuditError("head", head.size - 1, f"the head of size {head.size} is not signed by {key}")
        self._check_key(named=False)
        self._frontier = frontier
        return covered, head

    def _check_key(self, *, named: bool) -> None:
        """Raise if the log goes on under another key than the market's; with ``named`` also before that."""
        keys = [key for _, key in self._keys]
        known = self._market_key in keys
        if self._market_key and (keys[-1] != self._market_key if known else named):
            detail = f"the market's key must be {self._market_key}; the log names {keys}"
            raise AuditError("head", None, detail)


def _is_hex(text: str) -> bool:
    try:
        return bool(bytes.fromhex(text))
    except ValueError:
        return False
