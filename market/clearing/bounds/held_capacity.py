"""Capacity that a group with an opening cost holds, though others use it too.

Of such capacity the group's own bids get nothing while the group is closed. So the resource is doubled:
its second copy is used by the group's bids alone, and opens with the group. That changes no answer and
tightens the relaxation. Prices of the copy are published with those of the resource.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from market.clearing.bounds.prices import Prices
    from market.clearing.problem import Ints, Problem
    from market.clearing.result import Multipliers
    from market.clearing.terms import Terms

MOST_CAPACITY = 100_000
"""Above this capacity those outside the group pay as much as its members: the checker would have to solve
large knapsacks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """A problem with copies after its resources: copy k is of ``resource[k]``, for bids of ``group[k]``."""

    original: Problem
    problem: Problem
    resource: Ints
    group: Ints

    def folded(self, prices: Prices) -> Prices:
        """Return prices of the original: what a bid pays for copies is added to its share of the opening."""
        p, n = self.problem, len(self.original.resource_ids)
        user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        at = np.flatnonzero(p.use_resource >= n)
        size = np.zeros(p.n_bids, dtype=np.int64)
        np.add.at(size, np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr)), p.item_quantity)
        paid = prices.resource[p.use_resource[at]] * (p.use_fixed[at] + p.use_unit[at] * size[user[at]])
        member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
        place = member * len(p.group_ids) + p.bid_group
        by = np.argsort(place, kind="stable")
        wanted = user[at] * len(p.group_ids) + self.group[p.use_resource[at] - n]
        link = prices.link.copy()
        np.add.at(link, by[np.searchsorted(place, wanted, sorter=by)], paid)
        return replace(prices, resource=prices.resource[:n], link=link)

    def merged(self, m: Multipliers) -> Multipliers:
        """Return the multipliers of the original: members pay for resource and copy together."""
        n = len(self.original.resource_ids)
        price, own = dict(m.resources), {(b, r): v for b, r, v in m.uses}
        single = {r for _, r in own}
        at, amount, ptr = self._whole_uses()
        for k, copy in enumerate(self.problem.resource_ids[n:]):
            name, extra = self.original.resource_ids[self.resource[k]], price.pop(copy, 0)
            if not extra and copy not in single:
                continue
            base = price.pop(name, 0)
            if base + extra:
                price[name] = base + extra
            knapsack = name in single or copy in single
            small = self.original.resource_capacity[self.resource[k]] <= MOST_CAPACITY
            for t in range(ptr[self.resource[k]], ptr[self.resource[k] + 1]):
                b, use = at[t], amount[t]
                bid = self.original.bid_ids[b]
                paid = own.pop((bid, name), base * use)
                if member(self.original, b, int(self.group[k])):
                    paid += own.pop((bid, copy), extra * use)
                if knapsack or (small and paid != (base + extra) * use):
                    own[bid, name] = paid
        return replace(
            m,
            resources=tuple(sorted(price.items())),
            uses=tuple(sorted((b, r, v) for (b, r), v in own.items())),
        )

    def _whole_uses(self) -> tuple[list[int], list[int], list[int]]:
        """Return bids and amounts of what all-or-nothing bids use, by resource, and where each begins."""
        p = self.original
        user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        size = np.zeros(p.n_bids, dtype=np.int64)
        np.add.at(size, np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr)), p.item_quantity)
        by = np.flatnonzero(~p.bid_divisible[user])
        by = by[np.argsort(p.use_resource[by], kind="stable")]
        ptr = np.searchsorted(p.use_resource[by], np.arange(len(p.resource_ids) + 1))
        amount = p.use_fixed[by] + p.use_unit[by] * size[user[by]]
        return user[by].tolist(), amount.tolist(), ptr.tolist()


def with_held(p: Problem, terms: Terms) -> Held | None:
    """Return the problem with copies of what a group holds and others use; None if there is no such thing."""
    if not (p.group_fixed > 0).any():
        return None
    uses = _held_uses(p, terms)
    if not uses:
        return None
    n = len(p.resource_ids)
    resource, group = (np.array(column, dtype=np.int64) for column in zip(*uses, strict=True))
    added = np.array([k for held in uses.values() for k in held], dtype=np.int64)
    copy = np.repeat(n + np.arange(len(uses)), [len(held) for held in uses.values()])
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    by = np.argsort(np.concatenate([user, user[added]]), kind="stable")
    ptr = np.zeros(p.n_bids + 1, dtype=np.int64)
    np.cumsum(np.diff(p.bid_use_ptr) + np.bincount(user[added], minlength=p.n_bids), out=ptr[1:])
    doubled = replace(
        p,
        resource_ids=(*p.resource_ids, *_names(p, list(uses))),
        resource_capacity=np.concatenate([p.resource_capacity, p.resource_capacity[resource]]),
        bid_use_ptr=ptr,
        use_resource=np.concatenate([p.use_resource, copy])[by],
        use_fixed=np.concatenate([p.use_fixed, p.use_fixed[added]])[by],
        use_unit=np.concatenate([p.use_unit, p.use_unit[added]])[by],
    )
    return Held(original=p, problem=doubled, resource=resource, group=group)


def _held_uses(p: Problem, terms: Terms) -> dict[tuple[int, int], list[int]]:
    """Return by (resource, group) the uses of the group's bids, where not all fit and others use it too.

    Of several groups the one whose bids could use most holds a resource. Where others are divisible
    there is none: they could not be told a price of their own.
    """
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    most = np.where(terms.whole, terms.quantity, terms.high)
    use = p.use_fixed + p.use_unit * most[user]
    total: dict[int, int] = defaultdict(int)
    elastic: dict[int, list[int]] = defaultdict(list)
    inside: dict[tuple[int, int], int] = defaultdict(int)
    uses: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k in np.flatnonzero(terms.usable[user] & (use > 0)).tolist():
        b, r, amount = int(user[k]), int(p.use_resource[k]), int(use[k])
        total[r] += amount
        if p.bid_divisible[b]:
            elastic[r].append(b)
        for g in p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]].tolist():
            if p.group_fixed[g] > 0:
                inside[r, g] += amount
                uses[r, g].append(k)
    holder: dict[int, int] = {}
    for r, g in sorted(inside, key=lambda pair: (-inside[pair], pair)):
        holder.setdefault(r, g)
    return {
        pair: uses[pair]
        for pair in sorted(holder.items())
        if int(p.resource_capacity[pair[0]]) < inside[pair] < total[pair[0]]
        and all(member(p, b, pair[1]) for b in elastic[pair[0]])
    }


def member(p: Problem, bid: int, group: int) -> bool:
    """Return whether a bid is of a group."""
    return group in p.bid_group[p.bid_group_ptr[bid] : p.bid_group_ptr[bid + 1]]


def _names(p: Problem, pairs: list[tuple[int, int]]) -> list[str]:
    """Return names for copies that no resource has."""
    known, names = set(p.resource_ids), []
    for r, g in pairs:
        name = f"{p.resource_ids[r]} of {p.group_ids[g]}"
        while name in known:
            name += "'"
        known.add(name)
        names.append(name)
    return names
