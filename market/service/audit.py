"""Recompute a whole journal: leaves, tree, signatures, decisions, clearings, state. Reads only.

First the chain, then every entry: who signed it and whether that key held there; its events are folded,
and where the entry was decided by this engine version, ``decide`` runs again and must come to the same
events, which checks every clearing's feasibility, objective and payments anew. Clearings of other versions
are checked by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast, get_args

from market.adapters.codec import decode_envelope, decode_events, encode_events, state_digest
from market.clearing.checker.verify import verify
from market.clearing.documents.result_json import clearing_from_json
from market.engine.decision import Inbound, Refusal
from market.engine.engine import ENGINE_VERSION, decide, fold
from market.engine.lottery import seed_of
from market.engine.snapshot import snapshot
from market.engine.state import State
from market.errors import AuditError, EscrowError, InvariantError
from market.model.commands import Body, Command, OpenSeals, ReportClearing
from market.model.events import ClearingPublished, EquivocationSeen, Event, RoundOpened, SealedReceived
from market.ports import Stored, TreeHead
from market.service.chain import Chain, Log, check_chain
from market.service.claims import check_head, check_receipts
from market.service.opening import opened, same_opening
from takt_sdk.codec import DecodeError, digest_of
from takt_sdk.model.messages import Envelope
from takt_sdk.ports import REQUEST_CHANNELS
from takt_sdk.receipts import KeptReceipt, LogHead
from takt_sdk.sealing import SealError
from takt_sdk.signing import head_bytes, is_signed, message_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivocation:
    """Two messages that one participant signed under one number: both stand in the log."""

    participant: str
    conversation: str
    sequence: int
    first_position: int
    second_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was recomputed and found right. ``skipped`` entries are of another engine version."""

    entries: int
    clearings: int
    decided: int
    skipped: int
    root: bytes
    state_digest: str
    market: str
    head: TreeHead
    signed: int
    signed_heads: int
    equivocations: tuple[Equivocation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an auditor holds against the log. ``market_key`` must be one that the log names."""

    heads: tuple[LogHead, ...] = ()
    receipts: tuple[KeptReceipt, ...] = ()
    market_key: str = ""


def audit(log: Log, *, held: Held | None = None, show: Callable[[int], None] = lambda _: None) -> Audit:
    """Return what a log recomputes to.

    Raises
    ------
    AuditError
        Naming the first position at which something is wrong.
    """
    held = held or Held()
    sizes = [head.size for head in held.heads] + [one.receipt.size for one in held.receipts]
    chain = check_chain(log, sizes)
    replay = _Replay(chain=chain)
    for stored in log.read():
        replay.take(stored)
        if stored.position == 0:  # the log's own name and key: what others hold goes before its content
            _check_held(chain, held, replay.state)
        show(stored.position)
    if not chain.leaves:
        _check_held(chain, held, replay.state)
    return Audit(
        entries=len(chain.leaves),
        clearings=replay.clearings,
        decided=replay.decided,
        skipped=len(chain.leaves) - replay.decided,
        root=chain.head.root,
        state_digest=state_digest(replay.state),
        market=replay.state.market,
        head=chain.head,
        signed=replay.signed,
        signed_heads=sum(bool(head.signature) for head in chain.heads),
        equivocations=tuple(replay.equivocations),
    )


def _check_held(chain: Chain, held: Held, state: State) -> None:
    """Hold the heads and receipts of others against the log, and its own heads against its key."""
    named = [key for _, key in chain.keys]
    if held.market_key and held.market_key not in named:
        raise AuditError("head", 0, f"the market's key must be {held.market_key}; the log names {named}")
    for head in chain.heads or (chain.head,):
        key = chain.key_at(head.size)
        if key and not is_signed(key, head.signature, _stated(state.market, head)):
            raise AuditError("head", head.size - 1, f"the head of size {head.size} is not signed by {key}")
    for one in sorted(held.heads, key=lambda head: head.size):
        check_head(chain, one, state.market)
    check_receipts(chain, held.receipts, state.market)


def _stated(market: str, head: TreeHead) -> bytes:
    return head_bytes(market, head.size, head.root, head.at_us)


_COMMANDS = get_args(Command)
_UNFOLDABLE = (
    DecodeError,
    InvariantError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What a made-up entry can bring about in decoding, deciding and folding it."""


@dataclass(slots=True, kw_only=True)
class _Replay:
    """The state as the entries come, and what was counted on the way."""

    chain: Chain
    state: State = field(default_factory=State)
    clearings: int = 0
    decided: int = 0
    signed: int = 0
    equivocations: list[Equivocation] = field(default_factory=list)
    unsigned: set[int] = field(default_factory=set)
    sealed: dict[int, bytes] = field(default_factory=dict)

    def take(self, stored: Stored) -> None:
        """Check one entry against the state and fold it.

        Raises
        ------
        AuditError
            If it is not what its sender signed, or not what the engine decides.
        """
        entry, position = stored.entry, stored.position
        try:
            happened = decode_events(entry.events)
            envelope = decode_envelope(entry.message)
            self._check_signature(stored, envelope)
            if isinstance(envelope.body, OpenSeals):
                self._check_opening(position, envelope.body)
            if entry.engine_version == ENGINE_VERSION:
                self._decide_again(stored, envelope)
                self.decided += 1
            elif isinstance(envelope.body, ReportClearing) and _publishes(happened):
                self._check_clearing(position, envelope.body)
            fold(self.state, entry.now_us, happened)
        except _UNFOLDABLE as error:
            raise AuditError("decision", position, f"entry {position} cannot be folded: {error}") from error
        self._note(stored, happened)

    def _check_signature(self, stored: Stored, envelope: Envelope[Body]) -> None:
        entry, position = stored.entry, stored.position
        record = self.state.participants.get(envelope.sender)
        key = "" if record is None else record.key
        if not entry.key and not entry.signature:
            self.unsigned.add(position)
            if key and entry.source in REQUEST_CHANNELS:
                detail = f"entry {position} is not signed, though {envelope.sender} has the key {key}"
                raise AuditError("signature", position, detail)
            return
        if entry.key != key:
            detail = f"entry {position} is signed with {entry.key}, which is not the key of {envelope.sender}"
            raise AuditError("key", position, f"{detail} there: {key or 'it has none'}")
        data = message_bytes(self.state.market, entry.source, envelope.sender, entry.message)
        if not is_signed(entry.key, entry.signature, data):
            detail = f"entry {position} does not carry the signature of {envelope.sender} over its message"
            raise AuditError("signature", position, detail)
        self.signed += 1

    def _decide_again(self, stored: Stored, envelope: Envelope[Body]) -> None:
        entry, position, body = stored.entry, stored.position, envelope.body
        if not isinstance(body, _COMMANDS):
            raise AuditError("decision", position, f"entry {position} holds {body.kind}, which is no command")
        command = cast("Command", body)
        if isinstance(command, ReportClearing) and not self._is_drawn(command):
            raise AuditError(
                "clearing", position, f"entry {position} clears with a seed that its round did not draw"
            )
        inbound = Inbound(
            sender=envelope.sender,
            sequence=envelope.sequence,
            digest=digest_of(command),
            body=command,
            signed_by=entry.key if entry.source in REQUEST_CHANNELS else None,
        )
        decision = decide(self.state, inbound, entry.now_us)
        if encode_events(decision.events) != entry.events:
            kind = "clearing" if isinstance(command, ReportClearing) else "decision"
            refusal = decision.reply if isinstance(decision.reply, Refusal) else None
            why = f": {refusal.code} {refusal.field}, {refusal.detail}" if refusal else ""
            raise AuditError(
                kind, position, f"entry {position} decides to other events than the journal states{why}"
            )

    def _check_clearing(self, position: int, command: ReportClearing) -> None:
        """Check feasibility, objective and payments of a clearing that another engine version took."""
        round_ = self.state.rounds[command.round_id]
        try:
            clearing = clearing_from_json(command.result)
        except (KeyError, TypeError, ValueError) as error:
            detail = f"entry {position} publishes what is no clearing: {error}"
            raise AuditError("clearing", position, detail) from error
        faults = verify(snapshot(self.state, round_, command.seed), clearing)
        if faults:
            detail = f"entry {position} publishes a clearing that is wrong: {'; '.join(faults[:3])}"
            raise AuditError("clearing", position, detail)

    def _check_opening(self, position: int, command: OpenSeals) -> None:
        """Open a round's ciphertexts again with the journaled key: they must hold what the entry says."""
        round_ = self.state.rounds[command.round_id]
        try:
            again = opened(self.sealed.__getitem__, self.state.market, round_, command.private_key)
        except (EscrowError, SealError) as error:
            detail = f"entry {position} opens {round_.id} with a wrong key: {error}"
            raise AuditError("opening", position, detail) from error
        if not same_opening(again, command):
            detail = f"entry {position} states other answers than the ciphertexts of {round_.id} hold"
            raise AuditError("opening", position, detail)

    def _is_drawn(self, command: ReportClearing) -> bool:
        round_ = self.state.rounds.get(command.round_id)
        if round_ is None or round_.close_position is None:
            return False
        leaf = self.chain.leaves[round_.close_position] if self.state.seed is None else b""
        return command.seed == seed_of(command.secret, leaf)

    def _note(self, stored: Stored, happened: Sequence[Event]) -> None:
        position = stored.position
        for event in happened:
            if isinstance(event, RoundOpened):
                self.sealed.clear()
            elif isinstance(event, SealedReceived):
                self.sealed[position] = stored.entry.message
            self.clearings += isinstance(event, ClearingPublished)
            if isinstance(event, EquivocationSeen) and event.position not in self.unsigned:
                self.equivocations.append(
                    Equivocation(
                        participant=event.participant,
                        conversation=event.conversation,
                        sequence=event.sequence,
                        first_position=event.position,
                        second_position=position,
                    )
                )


def _publishes(happened: Sequence[Event]) -> bool:
    return any(isinstance(event, ClearingPublished) for event in happened)
