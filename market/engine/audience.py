"""Who may know of what: the public part of a round is the part of its orders that are open to everybody.

An order of another data class exists for its customer, for those cleared and eligible for it, and for
nobody else: not in a count, a figure, a number or a name. Pure.
"""

from __future__ import annotations

from market.engine.state import OrderRecord, RoundRecord, State
from market.model.order import Order

PUBLIC_ROUND, HIDDEN_ROUND = "r-", "x-"
"""How round ids begin: those in which some order is open to everybody, and the others."""


def is_open_class(order: Order) -> bool:
    """Return whether everybody may know of an order."""
    return order.terms.data_class == "open"


def is_public(round_: RoundRecord) -> bool:
    """Return whether everybody may know of a round."""
    return round_.id.startswith(PUBLIC_ROUND)


def public_orders(state: State, round_: RoundRecord) -> list[OrderRecord]:
    """Return the orders of a round that everybody may know of and that the state still holds."""
    known = (state.orders.get(order_id) for order_id in round_.orders)
    return [record for record in known if record is not None and is_open_class(record.order)]
