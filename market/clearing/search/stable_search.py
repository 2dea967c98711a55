"""Search a market that is a conflict graph: clique relaxation, then branch and bound in slices.

Cliques are those of the relaxation, with its duals as prices at the root. Open branches wait by falling
bound; any number of workers take one each for a slice of a node or a few, by turns for one that goes deep,
so the largest bound that waits or is worked on is the market's. One worker alone is deterministic.
"""

from __future__ import annotations

import heapq
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from market.clearing.result import Multipliers
from market.clearing.search.clique_rows import CliqueRelaxation
from market.clearing.stable_sets.conflict_graph import packed
from market.clearing.stable_sets.covered import enumerated
from market.clearing.stable_sets.stable_set import STEPS, Best, Graph, Stack, branch
from market.clearing.stable_sets.stable_tabu import TENURES, climb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from market.clearing.problem import Ints
    from market.clearing.program import Floats, SolveLimits
    from market.clearing.search.case import Case
    from market.clearing.stable_sets.conflict_graph import ConflictGraph

ROOT_STEPS = 400
CLEARLY = 1e-3
SLICE_BYTES = 2**25
"""A slice is one node of the branch of the largest bound, and one more for so much that open branches hold.

Longer ones go deep, where bounds are low already, and keep fewer branches open.
"""

DEEP_STEPS = 6000
"""About a twentieth of a second: a slice that goes deep, where answers are; half of all steps are such."""

ROUNDED_MOVES = 300
"""Of tabu search, from the best set that a slice rounded to."""

CLIMB_EVERY = 4
"""Slices of which one ends so, unless it found a better set: for a tenth of the time."""

STEPS_PER_WORK = 8
MOST_STACK = 2**22
"""How many prices the stack of a slice holds."""

POLL_S = 0.02

MOST_ENUMERATED = 2000
"""Enumeration keeps a list of vertices per level."""


class Branch(NamedTuple):
    """An open node: what is left, at which prices, what is taken."""

    alive: NDArray[np.uint64]
    price: Floats
    worth: int
    bound: float
    taken: tuple[int, ...]


class StableSearch:
    """Searches one case; `relax` once, then `work` from any number of threads."""

    def __init__(self, case: Case, graph: ConflictGraph) -> None:
        self.case, self.graph = case, graph
        self.cliques = CliqueRelaxation(case, graph)
        self.ptr, self.member = self.cliques.ptr, self.cliques.member
        self.open: list[tuple[float, int, Branch]] = []
        self.running: dict[int, float] = {}
        self.serial = 0
        self.slices = 0
        self.shallow = DEEP_STEPS
        """Steps of shallow slices since one went deep."""
        self.climbs = 0
        self.changed = Condition()
        self.compiled: Graph | None = None
        self.priced = np.zeros(0, dtype=np.int64)
        """Which cliques are priced; the others lie in blocks."""

    def relax(self, proceed: Callable[[], bool], limits: Callable[[], SolveLimits]) -> None:
        """Solve the relaxation with cliques, publish what it proves, open the root."""
        cliques, case = self.cliques, self.case
        cliques.solve(proceed, limits)
        if cliques.duals is not None and (case.prices is None or cliques.bound < case.prices.bound):
            case.multipliers = cliques.multipliers()
        self.ptr, self.member, price = cliques.start()
        self.root(price, cliques.bound)

    def density(self) -> float:
        """Return the share of pairs of vertices that conflict."""
        n = self.graph.weight.size
        return float(np.bitwise_count(self.graph.adjacent).sum()) / max(1, n * (n - 1))

    def enumerate(self, most_nodes: int) -> int:
        """Enumerate stable sets without prices, up to so many nodes; return how many it took."""
        incumbent, n = self.case.incumbent, self.graph.weight.size
        if n > MOST_ENUMERATED:
            return most_nodes
        by = np.argsort(-self.graph.weight, kind="stable")
        flags = np.unpackbits(self.graph.adjacent.view(np.uint8), axis=1, bitorder="little")[:, :n]
        floor = 0 if incumbent.best is None else incumbent.best.objective
        best = np.zeros(n, dtype=np.int64)
        adjacent = packed(flags[np.ix_(by, by)].astype(np.bool_))
        worth, size, nodes = enumerated(adjacent, self.graph.weight[by], floor, most_nodes, best)
        self.case.work += -(-min(nodes, most_nodes) // STEPS_PER_WORK)
        if worth > floor:
            self.offer(by[best[:size]].tolist())
        if nodes <= most_nodes:
            if self.case.multipliers is None:
                g, priced = compiled(self.graph.adjacent, self.graph.weight, self.ptr, self.member)
                self.certify(g, priced, np.zeros(priced.size))
            incumbent.lower_bound(incumbent.objective)
        return int(nodes)

    def climb(self, most_moves: int) -> int:
        """Climb once more, from nothing and from the best known by turns; return the moves made."""
        graph, best = self.graph, self.case.incumbent.best
        start = np.zeros(graph.weight.size, dtype=np.bool_)
        if best is not None and self.climbs % 2:
            start[:] = best.quantity[graph.bid] > 0
        found = np.zeros(start.size, dtype=np.int64)
        tenure = TENURES[self.climbs % len(TENURES)]
        self.climbs += 1
        worth, size, moves = climb(
            graph.adjacent, graph.weight, start, tenure, most_moves, self.climbs, found
        )
        if worth > self.case.incumbent.objective:
            self.offer(found[:size].tolist())
        return int(moves)

    def open_root(self) -> None:
        """Open the root without prices, if it is not open yet: branching needs no relaxation."""
        if self.compiled is None:
            self.root(np.zeros(self.ptr.size - 1), np.inf)

    def root(self, price: Floats, bound: float) -> None:
        """Choose the blocks, price the other cliques and open the root."""
        self.compiled, kept = compiled(self.graph.adjacent, self.graph.weight, self.ptr, self.member)
        self.priced = kept
        self.push(Branch(everything(self.graph.adjacent), price[kept], 0, bound, ()))

    def work(self, proceed: Callable[[], bool], most_work: Callable[[], int | None] = lambda: None) -> None:
        """Take branch after branch until none is left or ``proceed()`` says no."""
        while proceed():
            taken = self.take()
            if taken is None:
                with self.changed:
                    if not self.open and not self.running:
                        return
                    self.changed.wait(POLL_S)
                continue
            name, node = taken
            left = most_work()
            steps = self.next_steps(node)
            rest = self.slice(node, max(1, steps if left is None else min(steps, left * STEPS_PER_WORK)))
            self.give(name, rest)

    def next_steps(self, node: Branch) -> int:
        """Return how long the next slice is; by turns one goes deep and as many steps are spent on bounds."""
        if self.shallow >= DEEP_STEPS:
            self.shallow = 0
            return DEEP_STEPS
        held = len(self.open) * (node.alive.nbytes + node.price.nbytes)
        steps = STEPS * (1 + held // SLICE_BYTES)
        self.shallow += steps
        return steps

    def take(self) -> tuple[int, Branch] | None:
        """Return the branch of the largest bound and a name to give its rest back under."""
        with self.changed:
            if not self.open:
                return None
            _, name, node = heapq.heappop(self.open)
            self.running[name] = node.bound
            return name, node

    def push(self, node: Branch) -> None:
        """Let a branch wait."""
        with self.changed:
            self.serial += 1
            heapq.heappush(self.open, (-node.bound, self.serial, node))

    def give(self, name: int, rest: list[Branch]) -> None:
        """Let what is left of a branch wait, and report the bound."""
        incumbent = self.case.incumbent
        with self.changed:
            for node in rest:
                self.push(node)
            del self.running[name]
            top = max([-self.open[0][0] if self.open else -np.inf, *self.running.values()])
            self.changed.notify_all()
            incumbent.lower_bound(max(top, incumbent.objective))

    def slice(self, node: Branch, steps: int) -> list[Branch]:
        """Search a branch for some steps; offer what is better, return what is left."""
        g, incumbent = self.compiled, self.case.incumbent
        assert g is not None
        stack = stack_of(g, node)
        floor = 0 if incumbent.best is None else incumbent.best.objective
        best = to_beat(g, floor)
        first = STEPS if node.taken or self.serial > 1 else ROOT_STEPS
        used = branch(g, stack, best, steps, first)
        self.case.work += -(-used // STEPS_PER_WORK)
        if first == ROOT_STEPS:
            self.certify(g, self.priced, stack.price[0])
        self.slices += 1
        if best.worth[0] > floor or (best.worth[1] > 0 and self.slices % CLIMB_EVERY == 0):
            self.improve([*node.taken, *best.vertex[: int(best.size[0])].tolist()])
        depth = int(stack.depth[0])
        path = tuple(stack.taken[1:depth].tolist())
        return [
            Branch(
                stack.alive[d].copy(),
                stack.price[d].copy(),
                int(stack.worth[d]),
                float(stack.bound[d]),
                node.taken + path[:d],
            )
            for d in range(depth)
        ]

    def improve(self, vertices: list[int]) -> None:
        """Climb a little from a set that prices led to; offer what is better than the best known."""
        graph = self.graph
        start = np.zeros(graph.weight.size, dtype=np.bool_)
        start[vertices] = True
        found = np.zeros(start.size, dtype=np.int64)
        worth, size, moves = climb(graph.adjacent, graph.weight, start, TENURES[0], ROUNDED_MOVES, 1, found)
        self.case.work += -(-int(moves) // STEPS_PER_WORK)
        if worth > self.case.incumbent.objective:
            self.offer(found[:size].tolist())

    def certify(self, g: Graph, priced: Ints, price: Floats) -> None:
        """Publish the root's prices where they prove clearly more than the relaxations that were solved."""
        case = self.case
        margin = g.weight - np.bincount(
            np.repeat(np.arange(g.weight.size), np.diff(g.ptr)),
            weights=price[g.clique],
            minlength=g.weight.size,
        )
        top = np.zeros(int(g.block.max()) + 1)
        np.maximum.at(top, g.block, margin)
        known = min(self.cliques.bound, np.inf if case.prices is None else case.prices.bound)
        if float(price.sum() + top.sum()) > known * (1.0 - CLEARLY):
            return
        inside = [self.member[self.ptr[k] : self.ptr[k + 1]] for k in priced.tolist()]
        inside += [np.flatnonzero(g.block == k) for k in range(top.size)]
        case.multipliers = Multipliers(cliques=self.cliques.named(inside, np.concatenate([price, top])))

    def offer(self, vertices: list[int]) -> None:
        """Offer the bids of a stable set."""
        quantity = np.zeros(self.case.p.n_bids, dtype=np.int64)
        bids = self.graph.bid[vertices]
        quantity[bids] = self.case.terms.quantity[bids]
        self.case.offer_quantity(quantity)


def compiled(adjacent: NDArray[np.uint64], weight: Ints, ptr: Ints, member: Ints) -> tuple[Graph, Ints]:
    """Return the graph with its blocks, and which cliques are priced beside them."""
    n, cliques = weight.size, ptr.size - 1
    block, whole = blocks(n, ptr, member)
    kept = np.flatnonzero(~whole)
    number = np.full(cliques, -1, dtype=np.int64)
    number[kept] = np.arange(kept.size)
    of = number[np.repeat(np.arange(cliques), np.diff(ptr))]
    by = np.argsort(member[of >= 0], kind="stable")
    start = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(member[of >= 0], minlength=n), out=start[1:])
    return Graph(adjacent, weight, start, of[of >= 0][by], block), kept


def everything(adjacent: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the bits of all vertices."""
    flags = np.zeros((1, adjacent.shape[1] * 64), dtype=np.bool_)
    flags[0, : adjacent.shape[0]] = True
    bits: NDArray[np.uint64] = packed(flags)[0]
    return bits


def stack_of(g: Graph, node: Branch) -> Stack:
    """Return a stack with one open node; no stable set has more vertices than there are blocks."""
    prices = node.price.size
    levels = max(2, min(int(g.block.max()) + 3, 2 + MOST_STACK // max(1, prices)))
    stack = Stack(
        np.zeros((levels, node.alive.size), dtype=np.uint64),
        np.zeros((levels, prices)),
        np.zeros(levels, dtype=np.int64),
        np.zeros(levels),
        np.zeros(levels, dtype=np.int64),
        np.ones(1, dtype=np.int64),
    )
    stack.alive[0], stack.price[0] = node.alive, node.price
    stack.worth[0], stack.bound[0] = node.worth, node.bound
    return stack


def to_beat(g: Graph, worth: int) -> Best:
    """Return what a branch has to beat."""
    return Best(np.array([worth, 0]), np.zeros(g.weight.size, dtype=np.int64), np.zeros(1, dtype=np.int64))


def first_node(
    adjacent: NDArray[np.uint64], weight: Ints, ptr: Ints, member: Ints
) -> tuple[Graph, Stack, Best]:
    """Return the arguments of a search of a whole graph, unpriced."""
    g, kept = compiled(adjacent, weight, ptr, member)
    node = Branch(everything(adjacent), np.zeros(kept.size), 0, np.inf, ())
    return g, stack_of(g, node), to_beat(g, 0)


def blocks(n: int, ptr: Ints, member: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Part vertices into cliques, the largest first; return each one's block and which cliques lie in one."""
    owner = np.repeat(np.arange(ptr.size - 1), np.diff(ptr))
    block = np.full(n, -1, dtype=np.int64)
    left = np.diff(ptr).copy()
    count = 0
    while left.size and left.max() > 1:
        k = int(np.argmax(left))
        inside = member[ptr[k] : ptr[k + 1]]
        fresh = inside[block[inside] < 0]
        block[fresh] = count
        count += 1
        covered = np.zeros(n, dtype=np.bool_)
        covered[fresh] = True
        left -= np.bincount(owner[covered[member]], minlength=left.size)
    alone = block < 0
    block[alone] = count + np.arange(int(alone.sum()))
    least, most = (np.full(ptr.size - 1, fill) for fill in (n, -1))
    np.minimum.at(least, owner, block[member])
    np.maximum.at(most, owner, block[member])
    return block, least == most
