"""Check an answer and recompute its bound, in integers.

Reads the problem and the published result alone and shares no code with formulation or search;
every clearing passes through here before it is published. Python integers throughout, so
nothing rounds and nothing overflows.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from market.clearing.problem import NO_TIME, NONE

if TYPE_CHECKING:
    from market.clearing.problem import Problem
    from market.clearing.result import Clearing


def check_answer(p: Problem, c: Clearing) -> list[str]:
    """Return every rule the answer breaks, as sentences; empty if it is right.

    Checks quantities, coverage, groups, capacities, suppliers, moves, dates, the objective and
    that payments and charges add up.
    """
    return AnswerCheck(p, c).run()


class AnswerCheck:
    """The check of one answer, which may come without payments at first: `check_answer` in two steps."""

    def __init__(self, p: Problem, c: Clearing) -> None:
        self.p, self.c = p, c
        self.faults: list[str] = []
        self.bids = {name: k for k, name in enumerate(p.bid_ids)} if c.accepted else {}
        self.taken: dict[int, int] = {}
        self.covered: dict[int, dict[int, int]] = defaultdict(dict)
        self.objective = 0
        self.transport: dict[int, int] = defaultdict(int)

    def fault(self, text: str) -> None:
        """Note a rule that is broken."""
        self.faults.append(text)

    def run(self) -> list[str]:
        """Return every rule that the answer breaks."""
        self.accepted()
        if self.faults:
            return self.faults
        self.orders()
        self.resources()
        self.groups()
        self.moves()
        if self.objective != self.c.objective:
            self.fault(f"objective is {self.objective}, published {self.c.objective}")
        if self.c.bound is not None and self.c.objective is not None and self.c.bound < self.c.objective:
            self.fault(f"bound {self.c.bound} is below the objective {self.c.objective}")
        self.money()
        return self.faults

    def accepted(self) -> None:
        """Quantities allowed, each bid once; add up prices, scores and coverage."""
        p = self.p
        for entry in self.c.accepted:
            b = self.bids.get(entry.bid)
            if b is None or b in self.taken:
                self.fault(f"accepted bid {entry.bid} is unknown or named twice")
                continue
            q = entry.quantity
            items = range(int(p.bid_item_ptr[b]), int(p.bid_item_ptr[b + 1]))
            offered = [int(p.item_quantity[k]) for k in items]
            if p.bid_divisible[b]:
                if not int(p.bid_min[b]) <= q <= offered[0]:
                    self.fault(f"bid {entry.bid} takes {p.bid_min[b]} to {offered[0]}, accepted at {q}")
                self.objective += int(p.bid_score[b]) * q // offered[0]
                offered = [q]
            else:
                if q != sum(offered):
                    self.fault(f"bid {entry.bid} is all or nothing at {sum(offered)}, accepted at {q}")
                self.objective += int(p.bid_score[b])
            self.taken[b] = q
            self.objective -= int(p.bid_fixed[b]) + int(p.bid_unit[b]) * q
            for k, amount in zip(items, offered, strict=True):
                self.covered[int(p.item_lot[k])][b] = amount

    def orders(self) -> None:
        """Every lot of a served order is covered exactly, of the others not at all."""
        p = self.p
        index = {name: k for k, name in enumerate(p.order_ids)}
        served: dict[int, int] = {}
        for entry in self.c.served:
            o = index.get(entry.order, NONE)
            if o == NONE or o in served:
                self.fault(f"served order {entry.order} is unknown or named twice")
                continue
            lots = range(int(p.order_lot_ptr[o]), int(p.order_lot_ptr[o + 1]))
            of = _greatest_divisor([int(p.lot_quantity[k]) for k in lots]) if p.order_partial[o] else 1
            if entry.of != of or not 0 < entry.units <= of:
                self.fault(
                    f"order {entry.order} is served {entry.units} of {entry.of}, not 1 to {of} of {of}"
                )
                continue
            served[o] = entry.units
            for k in lots:
                want, got = int(p.lot_quantity[k]) * entry.units // of, sum(self.covered.get(k, {}).values())
                if want != got:
                    self.fault(f"lot {p.lot_ids[k]} needs {want}, covered by {got}")
            if not p.order_must[o]:
                self.objective += int(p.order_value[o]) * entry.units // of
            bidders = {int(p.bid_bidder[b]) for k in lots for b in self.covered.get(k, {})}
            if NONE < int(p.order_max_suppliers[o]) < len(bidders):
                self.fault(
                    f"order {entry.order} has {len(bidders)} suppliers, at most {p.order_max_suppliers[o]}"
                )
        for k in self.covered:
            if int(p.lot_order[k]) not in served:
                self.fault(f"lot {p.lot_ids[k]} is covered but its order is not served")
        for o in p.order_must.nonzero()[0].tolist():
            if o not in served:
                self.fault(f"must-serve order {p.order_ids[o]} is not served")
        unserved = [entry.order for entry in self.c.unserved]
        if sorted(unserved) != [name for k, name in enumerate(p.order_ids) if k not in served]:
            self.fault("the unserved orders are not those that are not served")
        self.served = served

    def resources(self) -> None:
        """Capacities hold what accepted bids use."""
        p = self.p
        load: dict[int, int] = defaultdict(int)
        for b, q in self.taken.items():
            for k in range(int(p.bid_use_ptr[b]), int(p.bid_use_ptr[b + 1])):
                load[int(p.use_resource[k])] += int(p.use_fixed[k]) + int(p.use_unit[k]) * q
        for r, used in load.items():
            if used > int(p.resource_capacity[r]):
                self.fault(f"resource {p.resource_ids[r]} is used {used} of {p.resource_capacity[r]}")

    def groups(self) -> None:
        """No group has more accepted than it may; opened ones are paid for."""
        p = self.p
        count: dict[int, int] = defaultdict(int)
        for b in self.taken:
            for k in range(int(p.bid_group_ptr[b]), int(p.bid_group_ptr[b + 1])):
                count[int(p.bid_group[k])] += 1
        for g, n in count.items():
            if NONE < int(p.group_max[g]) < n:
                self.fault(f"group {p.group_ids[g]} has {n} accepted, at most {p.group_max[g]}")
            self.objective -= int(p.group_fixed[g])
        self.opened = count

    def moves(self) -> None:
        """Follow the goods: what leaves a lot's winners arrives at the next one's, in time."""
        p = self.p
        arcs = {name: k for k, name in enumerate(p.arc_ids)} if p.arc_ids else {}
        trips = (
            {
                (int(s), int(t)): k
                for k, (s, t) in enumerate(zip(p.transport_from, p.transport_to, strict=True))
            }
            if arcs
            else {}
        )
        out: dict[tuple[int, int], int] = defaultdict(int)
        into: dict[tuple[int, int], int] = defaultdict(int)
        seen = set()
        for m in self.c.moves:
            e, a = arcs.get(m.arc, NONE), self.bids.get(m.from_bid, NONE)
            b = NONE if m.to_bid is None else self.bids.get(m.to_bid, NONE)
            if e == NONE or a not in self.taken or m.quantity <= 0 or (m.arc, a, b) in seen:
                self.fault(
                    f"move on {m.arc} from {m.from_bid} is not between winners, is empty or named twice"
                )
                continue
            seen.add((m.arc, a, b))
            at_site = int(p.arc_to[e]) == NONE
            if (
                at_site != (m.to_bid is None)
                or (at_site and m.to_site != p.sites[int(p.arc_site[e])])
                or (not at_site and b not in self.taken)
            ):
                self.fault(f"move on {m.arc} from {m.from_bid} ends at the wrong place")
                continue
            out[e, a] += m.quantity
            if not at_site:
                into[e, b] += m.quantity
            if a == b:
                continue
            s, t = int(p.bid_site[a]), int(p.arc_site[e]) if at_site else int(p.bid_site[b])
            row = trips.get((s, t), NONE)
            if s != t and row == NONE:
                self.fault(
                    f"move on {m.arc} from {m.from_bid}: no transport from {p.sites[s]} to {p.sites[t]}"
                )
                continue
            cost = 0 if s == t else int(p.transport_fixed[row]) + int(p.transport_unit[row]) * m.quantity
            minutes = 0 if s == t else int(p.transport_minutes[row])
            if (
                not at_site
                and NO_TIME not in {int(p.bid_end[a]), int(p.bid_start[b])}
                and (int(p.bid_end[a]) + minutes > int(p.bid_start[b]))
            ):
                self.fault(f"move on {m.arc} from {m.from_bid} arrives after {m.to_bid} starts")
            self.objective -= cost
            self.transport[int(p.lot_order[int(p.arc_from[e])])] += cost
        for e, a in out:
            if a not in self.covered.get(int(p.arc_from[e]), {}):
                self.fault(f"goods leave {p.bid_ids[a]} on {p.arc_ids[e]}, it makes none")
        for e, b in into:
            if b not in self.covered.get(int(p.arc_to[e]), {}):
                self.fault(f"goods reach {p.bid_ids[b]} on {p.arc_ids[e]}, it needs none")
        for e in range(len(p.arc_ids)):
            self.conservation(e, out, into)

    def conservation(self, e: int, out: dict[tuple[int, int], int], into: dict[tuple[int, int], int]) -> None:
        """Everything that leaves a lot's winners along an arc is theirs, and arrives in proportion."""
        p = self.p
        start, to = int(p.arc_from[e]), int(p.arc_to[e])
        for a, q in self.covered.get(start, {}).items():
            if out[e, a] != q:
                self.fault(f"{out[e, a]} leave {p.bid_ids[a]} on {p.arc_ids[e]}, it makes {q}")
        if to == NONE:
            return
        for b, q in self.covered.get(to, {}).items():
            if into[e, b] * int(p.lot_quantity[to]) != q * int(p.lot_quantity[start]):
                self.fault(f"{into[e, b]} reach {p.bid_ids[b]} on {p.arc_ids[e]}, not its share for {q}")

    def run_paid(self, c: Clearing) -> list[str]:
        """Return the rules that payments and charges break, of the answer that `run` found right."""
        assert not self.faults
        assert (c.accepted, c.served, c.moves) == (self.c.accepted, self.c.served, self.c.moves)
        self.c = c
        self.money()
        return self.faults

    def money(self) -> None:
        """Every winner is paid at least its price; orders pay what bidders and carriers get."""
        p, c = self.p, self.c
        if c.payments is None:
            return
        paid: dict[int, int] = {}
        groups = {name: k for k, name in enumerate(p.group_ids)}
        opened: set[str] = set()
        for entry in c.payments:
            if entry.group is not None:
                if entry.bid is not None or entry.group in opened:
                    self.fault(f"group {entry.group} is paid twice, or beside a bid")
                opened.add(entry.group)
                if groups.get(entry.group, NONE) not in self.opened or entry.amount < int(
                    p.group_fixed[groups[entry.group]]
                ):
                    self.fault(f"group {entry.group} is paid {entry.amount}")
                continue
            b = self.bids.get(entry.bid or "", NONE)
            if b not in self.taken or b in paid:
                self.fault(f"bid {entry.bid} is paid but did not win, or twice")
                continue
            paid[b] = entry.amount
            if entry.amount < int(p.bid_fixed[b]) + int(p.bid_unit[b]) * self.taken[b]:
                self.fault(f"bid {entry.bid} is paid {entry.amount}, less than its price")
        if len(paid) != len(self.taken):
            self.fault("a winner is not paid")
        for g in self.opened:
            if p.group_fixed[g] > 0 and p.group_ids[g] not in opened:
                self.fault(f"group {p.group_ids[g]} is opened and not paid")
        if c.charges is not None:
            self.charges(sum(entry.amount for entry in c.payments) + sum(self.transport.values()), paid)

    def charges(self, total: int, paid: dict[int, int]) -> None:
        """Every served order pays at least what it alone costs and at most its value; all add up."""
        p, c = self.p, self.c
        assert c.charges is not None
        if sum(h.amount for h in c.charges) != total:
            self.fault(f"charges are {sum(h.amount for h in c.charges)}, payments and transport {total}")
        index = {name: k for k, name in enumerate(p.order_ids)}
        alone = self.own_costs(paid)
        if len({h.order for h in c.charges}) != len(c.charges) or len(c.charges) != len(self.served):
            self.fault("a served order is not charged, or twice")
        for h in c.charges:
            o = index.get(h.order, NONE)
            if o not in self.served:
                self.fault(f"order {h.order} is charged but not served")
                continue
            if h.amount < alone[o]:
                self.fault(f"order {h.order} is charged {h.amount}, its own bids and moves cost {alone[o]}")
            lots = range(int(p.order_lot_ptr[o]), int(p.order_lot_ptr[o + 1]))
            of = _greatest_divisor([int(p.lot_quantity[k]) for k in lots]) if p.order_partial[o] else 1
            worth = int(p.order_value[o]) * self.served[o] // of
            if h.amount < 0 or (h.amount > worth and not p.order_must[o]):
                self.fault(f"order {h.order} is charged {h.amount}, worth {worth}")

    def own_costs(self, paid: dict[int, int]) -> defaultdict[int, int]:
        """Return what each served order costs that no other order shares: bids on it alone, its moves."""
        p = self.p
        cost = defaultdict(int, self.transport)
        for b, amount in paid.items():
            orders = {
                int(p.lot_order[int(p.item_lot[k])])
                for k in range(int(p.bid_item_ptr[b]), int(p.bid_item_ptr[b + 1]))
            }
            if len(orders) == 1:
                cost[orders.pop()] += amount
        return cost


def _greatest_divisor(numbers: list[int]) -> int:
    divisor = 0
    for n in numbers:
        rest = n
        while rest:
            divisor, rest = rest, divisor % rest
    return divisor
