"""Recompute a whole journal: leaves, tree, decisions, clearings, state. Reads only.

Every entry's events are folded; where the entry was decided by this engine version, ``decide`` runs again
and must come to the same events, which checks every clearing's feasibility, objective and payments anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from market.adapters.codec import decode_envelope, decode_events, state_digest
from market.engine.decision import Inbound
from market.engine.engine import ENGINE_VERSION, decide, fold
from market.engine.lottery import seed_of
from market.engine.state import State
from market.errors import EscrowError, InvariantError, ReplayError
from market.leaf import entry_leaf
from market.merkle import Frontier
from market.model.commands import Command, OpenSeals, ReportClearing
from market.model.events import ClearingPublished
from market.ports import Journal, Stored
from market.service.opening import opened_answers, same_opening
from takt_sdk.codec import DecodeError, digest_of
from takt_sdk.sealing import SealError


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was recomputed and found right. ``skipped`` entries are of another engine version."""

    entries: int
    clearings: int
    decided: int
    skipped: int
    root: bytes
    state_digest: str


def audit(journal: Journal, *, show: Callable[[int], None] = lambda _: None) -> Audit:
    """Return what a journal recomputes to.

    Raises
    ------
    ReplayError
        Naming the first position at which something is wrong.
    """
    state = State()
    frontier = Frontier()
    clearings = decided = 0
    leaves: list[bytes] = []
    for expected, stored in enumerate(journal.read()):
        if stored.position != expected:
            raise ReplayError(f"position {expected} is missing: the next entry says {stored.position}")
        if entry_leaf(stored.entry, stored.salt) != stored.leaf:
            raise ReplayError(f"entry {stored.position} does not have the leaf that the tree holds")
        frontier = frontier.extend([stored.leaf])
        decided += _replay(state, stored, leaves, journal)
        leaves.append(stored.leaf)
        events = decode_events(stored.entry.events)
        clearings += sum(isinstance(event, ClearingPublished) for event in events)
        show(stored.position)
    head = journal.head()
    if (head.size, head.root) != (state.size, frontier.root()):
        raise ReplayError(f"the tree over {state.size} entries is not the head that the journal states")
    return Audit(
        entries=state.size,
        clearings=clearings,
        decided=decided,
        skipped=state.size - decided,
        root=head.root,
        state_digest=state_digest(state),
    )


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


def _replay(state: State, stored: Stored, leaves: Sequence[bytes], journal: Journal) -> int:
    """Fold one entry into the state; decide it again where the version matches. Return whether it did.

    ``leaves`` are those of the entries before it.
    """
    entry, position = stored.entry, stored.position
    try:
        events = decode_events(entry.events)
        again = entry.engine_version == ENGINE_VERSION
        if again:
            envelope = decode_envelope(entry.message)
            if not isinstance(envelope.body, _COMMANDS):
                raise ReplayError(f"entry {position} holds {envelope.body.kind}, which is no command")
            body = cast("Command", envelope.body)
            inbound = Inbound(
                sender=envelope.sender, sequence=envelope.sequence, digest=digest_of(body), body=body
            )
            if isinstance(body, ReportClearing) and not _is_drawn(state, body, leaves):
                raise ReplayError(f"entry {position} clears with a seed that its round did not draw")
            if isinstance(body, OpenSeals):
                _check_opening(state, body, journal, position)
            made = decide(state, inbound, entry.now_us).events
            if made != events:  # as values: a later release writes more fields, with their defaults
                raise ReplayError(f"entry {position} decides to other events than the journal states")
        fold(state, entry.now_us, events)
    except _UNFOLDABLE as error:
        raise ReplayError(f"entry {position} cannot be folded: {error}") from error
    return int(again)


def _check_opening(state: State, command: OpenSeals, journal: Journal, position: int) -> None:
    """Open a round's ciphertexts again with the journaled key; they must hold what the entry says."""
    round_ = state.rounds.get(command.round_id)
    if round_ is None or round_.state != "opening":
        raise ReplayError(f"entry {position} opens a round that is not waiting for it")
    try:
        again = opened_answers(journal, state.market, round_, command.private_key)
    except (EscrowError, SealError) as error:
        raise ReplayError(f"entry {position} opens {round_.id} with a wrong key: {error}") from error
    if not same_opening(again, command):
        raise ReplayError(f"entry {position} states other answers than the ciphertexts of {round_.id} hold")


def _is_drawn(state: State, command: ReportClearing, leaves: Sequence[bytes]) -> bool:
    round_ = state.rounds.get(command.round_id)
    if round_ is None or round_.close_position is None:
        return False
    return command.seed == seed_of(
        command.secret, leaves[round_.close_position] if state.seed is None else b""
    )
