"""``apply`` for the events of `market.model.contract_events`. Decides nothing, refuses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from market.engine.contracting import StatementLine
from market.engine.state import State
from market.model import contract_events as happened
from market.model.ledger import Posting

_PARTICIPANT, _ORDER = "participant/", "order/"
_EARNINGS = frozenset({"price", "set_up", "milestone"})


def _ledger_posted(state: State, event: happened.LedgerPosted) -> None:
    for posting in event.postings:
        _post(state, posting)


def _post(state: State, posting: Posting) -> None:
    book = state.contracting
    book.posted += 1
    for line in posting.lines:
        balance = book.balances.get(line.account, 0) + line.amount_minor
        book.balances[line.account] = balance
        if not line.account.startswith(_PARTICIPANT):
            continue
        if posting.kind == "charge":
            charged = book.charged.get(posting.order_id, 0)
            book.charged[posting.order_id] = charged - line.amount_minor
        if posting.kind in _EARNINGS:
            paid = book.paid.get(posting.contract_id, 0)
            book.paid[posting.contract_id] = paid + line.amount_minor
        book.statements.setdefault(line.account.removeprefix(_PARTICIPANT), []).append(
            StatementLine(
                posting_id=posting.id,
                kind=posting.kind,
                at_us=posting.at_us,
                order_id=posting.order_id,
                contract_id=posting.contract_id,
                amount_minor=line.amount_minor,
                balance_minor=balance,
                detail=posting.detail,
            )
        )


def _contracts_priced(state: State, event: happened.ContractsPriced) -> None:
    state.contracting.terms |= {terms.contract_id: terms for terms in event.terms}


CONTRACT_APPLIERS: Mapping[type, Callable[[State, Any], None]] = {
    happened.LedgerPosted: _ledger_posted,
    happened.ContractsPriced: _contracts_priced,
}
