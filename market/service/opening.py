"""The opening of a sealed round: the proof of its close, and what its ciphertexts hold.

What the live market, the simulator and the audit share: from the journal and the released key anybody
comes to the same answers. Waits for nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from market.adapters.codec import decode_envelope
from market.engine.state import RoundRecord
from market.errors import EscrowRefusedError, InvariantError
from market.merkle import inclusion_proof
from market.model.commands import OpenedSeal, OpenSeals
from market.ports import CloseProof, Journal, Stored
from takt_sdk.codec import DecodeError
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.sealing import SealedAnswer, SealError, public_key, read_answer, unseal


class _Place(NamedTuple):
    """Whose answer it is, and to what."""

    market: str
    round_id: str
    sender: str
    sequence: int


def close_proof(journal: Journal, market: str, round_: RoundRecord) -> CloseProof | None:
    """Return the proof that a round's close is in the journal; None while it is not durable."""
    position, head = round_.close_position, journal.head()
    if position is None or head.size <= position:
        return None
    leaves = journal.leaves(0, head.size)
    return CloseProof(
        market=market,
        round_id=round_.id,
        close=_entry(journal, position),
        path=inclusion_proof(leaves, position),
        head=head,
    )


def opened_answers(journal: Journal, market: str, round_: RoundRecord, private_key: str) -> OpenSeals:
    """Return what the answers that stand in a round hold; errors as `opened`."""
    return opened(lambda position: _entry(journal, position).entry.message, market, round_, private_key)


def opened(
    message_at: Callable[[int], bytes], market: str, round_: RoundRecord, private_key: str
) -> OpenSeals:
    """Return what the answers that stand in a round hold, given the message at each of their positions.

    Raises
    ------
    EscrowRefusedError
        If it is not the private half of the key that the call named.
    """
    if public_key(private_key) != round_.sealing_key:
        raise EscrowRefusedError(f"the key released for {round_.id} is not that of its call")
    answers = tuple(
        _opened(
            message_at(round_.received[participant][sequence][1]),
            _Place(market, round_.id, participant, sequence),
            private_key,
        )
        for participant, sequence in sorted(round_.sealed_answers.items())
    )
    return OpenSeals(round_id=round_.id, private_key=private_key, answers=answers)


def same_opening(one: OpenSeals, other: OpenSeals) -> bool:
    """Return whether two openings say the same, but for the words about what could not be read."""
    return (one.round_id, one.private_key) == (other.round_id, other.private_key) and [
        (seal.participant, seal.sequence, seal.answer, seal.code) for seal in one.answers
    ] == [(seal.participant, seal.sequence, seal.answer, seal.code) for seal in other.answers]


def _opened(message: bytes, place: _Place, private_key: str) -> OpenedSeal:
    sheet = decode_envelope(message).body
    if not isinstance(sheet, SealedSheet):
        raise InvariantError(f"an answer to {place.round_id} is a {sheet.kind}, which is not sealed")

    def failed(code: str, detail: str, field: str = "", value: str = "") -> OpenedSeal:
        return OpenedSeal(
            participant=place.sender,
            sequence=place.sequence,
            answer=None,
            code=code,
            detail=detail,
            field=field,
            value=value,
        )

    try:
        inside = read_answer(unseal(sheet, private_key))
    except SealError:
        return failed("malformed", "the round's key does not open it", "ciphertext")
    except DecodeError as error:
        return failed("malformed", error.detail, error.field, error.value)
    wrong = _misplaced(inside, place)
    if wrong:
        return failed("invalid", "sealed for another market, round, sender or sequence", wrong)
    return OpenedSeal(participant=place.sender, sequence=place.sequence, answer=inside.answer)


def _misplaced(inside: SealedAnswer, place: _Place) -> str:
    """Return the first field that says that the answer was sealed for another place; empty if none does."""
    for name, value in place._asdict().items():
        if getattr(inside, name) != value:
            return name
    return "" if inside.answer.round_id == place.round_id else "answer.round_id"


def _entry(journal: Journal, position: int) -> Stored:
    return next(iter(journal.read(position, position + 1)))
