"""Split what bidders and carriers get among the orders, in integers that add up.

Every cost (a bid's payment, a group's fixed price, an order's moves) is paid by the orders it
serves, in proportion to what they would pay anyway, never beyond an order's value. Remainders go
to the largest fractions, ties to the first id.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_CAP = 2**62


def split_by_weight(amount: int, weights: Sequence[int]) -> list[int]:
    """Return integer shares of an amount in proportion to weights, by largest remainder.

    Equal weights if all are 0. Ties go to the earlier share.
    """
    total = sum(weights)
    if total == 0:
        weights, total = [1] * len(weights), len(weights)
    shares = [amount * w // total for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for i in by_remainder[: amount - sum(shares)]:
        shares[i] += 1
    return shares


def charges_of(
    own: Mapping[int, int],
    shared: Sequence[tuple[int, Mapping[int, int]]],
    caps: Mapping[int, int],
) -> dict[int, int] | None:
    """Return what each order pays, or None if no split keeps every order within its cap.

    Parameters
    ----------
    own
        Costs that one order bears alone (single-order bids, moves).
    shared
        Costs that several orders share: the amount and the weight of each.
    caps
        The most each order pays; `NO_CAP` for must-serve orders.
    """
    charge = dict(own)
    if any(amount > caps[o] for o, amount in charge.items()):
        return None
    split = [
        dict(zip(users, split_by_weight(amount, list(users.values())), strict=True))
        for amount, users in shared
    ]
    total = defaultdict(int, charge)
    for part in split:
        for o, amount in part.items():
            total[o] += amount
    if all(amount <= caps[o] for o, amount in total.items()):
        return dict(total)
    return _within_caps(charge, shared, caps)


def _within_caps(
    own: Mapping[int, int],
    shared: Sequence[tuple[int, Mapping[int, int]]],
    caps: Mapping[int, int],
) -> dict[int, int] | None:
    """Return charges by a maximum flow from shared costs to what the orders can still pay."""
    import networkx as nx  # noqa: PLC0415  rare path, and importing it costs a third of a second

    graph: Any = nx.DiGraph()
    for i, (amount, users) in enumerate(shared):
        graph.add_edge("source", ("cost", i), capacity=amount)
        for o in users:
            graph.add_edge(("cost", i), ("order", o), capacity=amount)
    for o in {o for _, users in shared for o in users}:
        graph.add_edge(("order", o), "sink", capacity=caps[o] - own.get(o, 0))
    value, flow = nx.maximum_flow(graph, "source", "sink")
    if value < sum(amount for amount, _ in shared):
        return None
    charge = dict(own)
    for i, (_, users) in enumerate(shared):
        for o in users:
            charge[o] = charge.get(o, 0) + flow["cost", i][("order", o)]
    return charge
