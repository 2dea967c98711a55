"""Who may know of what: the public part of a round is that of the orders which everybody may know of.

An order of another data class exists for its customer, for those who are cleared and eligible for it, and
for nobody else: not in a count, a figure, a number or a name. Pure.
"""

from __future__ import annotations

from market.engine.state import PublicPart, RoundRecord, State
from market.model.events import RoundOpened

PUBLIC_ROUND, HIDDEN_ROUND = "r-", "x-"
"""How round ids begin: those in which some order is open to everybody, and the others."""


def is_open_order(state: State, order_id: str) -> bool:
    """Return whether everybody may know of an order that the state holds."""
    return state.orders[order_id].order.terms.data_class == "open"


def is_hidden(round_id: str) -> bool:
    """Return whether only those may know of a round whom it calls or whose orders are in it."""
    return round_id.startswith(HIDDEN_ROUND)


def public_part(state: State, opened: RoundOpened) -> PublicPart | None:
    """Return what is told of a round to everybody; None where that is all of it.

    Figures of the whole clearing are kept back wherever somebody is cleared for more than open orders,
    whether or not there is such an order: their absence must tell nothing either.
    """
    orders = [order_id for order_id in opened.orders if is_open_order(state, order_id)]
    cleared = any(record.admission.qualification.clearances for record in state.participants.values())
    if len(orders) == len(opened.orders) and not cleared:
        return None
    lots = frozenset(index for index, lot in enumerate(opened.lots) if is_open_order(state, lot.order_id))
    return PublicPart(
        orders=len(orders),
        customers=len({state.orders[order_id].order.customer for order_id in orders}),
        called=tuple(name for name, called in opened.eligible if not lots.isdisjoint(called)),
        figures=not cleared,
    )


def count_answers(state: State, round_: RoundRecord) -> None:
    """Count who has answered: all of them, and those who have declined or bid in the public part."""
    round_.answered = len(round_.answers)
    if round_.public is None:
        return
    lots = {lot.id for lot in round_.lots if is_open_order(state, lot.order_id)}
    round_.public.answered = sum(
        answer.sheet is None or not lots.isdisjoint(answer.sheet.bids.item_lot)
        for participant, answer in round_.answers.items()
        if participant in round_.public.called
    )


def concerns(round_: RoundRecord, participant: str) -> bool:
    """Return whether a participant may know of a round: everybody of a public one, the called of another."""
    return not is_hidden(round_.id) or participant in round_.eligible or participant in round_.received
