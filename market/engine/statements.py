"""What a participant sees of the ledger: the lines on its own account. Posts nothing."""

from __future__ import annotations

from market.engine.contracting import StatementLine
from market.engine.state import State
from market.model.contract_events import LedgerPosted
from market.model.ledger import participant_account
from takt_sdk.model.execution import StatementEntry, StatementReply

_PARTICIPANT = "participant/"
MOST = 1000
"""Most lines that one answer holds."""


def statement_keys(event: LedgerPosted) -> list[str]:
    """Return the rows that an event adds, as ``participant/posting``."""
    return [
        f"{line.account.removeprefix(_PARTICIPANT)}/{posting.id}"
        for posting in event.postings
        for line in posting.lines
        if line.account.startswith(_PARTICIPANT)
    ]


def statement_line(state: State, key: str) -> tuple[str, StatementLine]:
    """Return the participant and the line of a row; the newest lines are found first."""
    participant, posting_id = key.split("/", 1)
    lines = state.contracting.statements[participant]
    return participant, next(line for line in reversed(lines) if line.posting_id == posting_id)


def statement(state: State, participant: str, after: str, now_us: int) -> StatementReply:
    """Return a participant's lines after the posting ``after``, its balance and what is left out."""
    lines = [line for line in state.contracting.statements.get(participant, ()) if line.posting_id > after]
    return StatementReply(
        participant=participant,
        now_us=now_us,
        balance_minor=state.contracting.balances.get(participant_account(participant), 0),
        entries=tuple(
            StatementEntry(
                posting_id=line.posting_id,
                entry=line.kind,
                at_us=line.at_us,
                order_id=line.order_id,
                contract_id=line.contract_id,
                amount_minor=line.amount_minor,
                balance_minor=line.balance_minor,
                detail=line.detail,
            )
            for line in lines[:MOST]
        ),
        more=len(lines) > MOST,
    )
