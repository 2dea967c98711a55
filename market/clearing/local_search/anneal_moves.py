"""Simulated annealing on a packing model: forced insertions and moves of groups, kept or undone.

Compiled with numba; releases the GIL. One move forces an item in, ejects what stands in its way (an
ejection chain), re-covers the orders that lost their item and fills what became free; it is kept or
undone by its exact integer gain. A function of the arrays, the seed and the iteration count.
"""

# mypy: disable-error-code="no-any-return,return-value"
from __future__ import annotations

import numpy as np
from numba import njit

from market.clearing.compiled import Array, draw, uniform
from market.clearing.local_search.group_moves import close_group, exchange_groups, open_group
from market.clearing.local_search.moves import (
    Model,
    State,
    chain,
    eject,
    insert,
    opening_cost,
    refill,
    undo,
)

GROUP_EVERY = 20
"""One move in so many opens or closes a priced group."""

EXCHANGE_EVERY = 2
"""One closing in so many opens a rival first."""

GROUP_HEAT = 4.0
"""How much warmer such moves are: openings cost more than bids differ."""

PROMISING_AMONG_GROUPS = 3
"""The same where openings matter: which groups are open decides more than prices do."""

PROMISING = 8
"""How strongly moves favour the most promising items of an order: power of a uniform draw."""

TRAIL = 16384
WINDOW = 512
STAY = 8
"""Moves go to orders of one window for so many times its size, so that all they touch stays in the cache."""


@njit(cache=True, nogil=True)
def anneal(  # noqa: C901, PLR0912, PLR0915  one kernel
    m: Model,
    s: State,
    best: Array,
    value: Array,
    state: Array,
    heat: float,
    cold: float,
    iterations: int,
    scan: int,
    losses: Array,
) -> int:
    """Run moves with a temperature falling from ``heat`` to ``cold``; return (value, best value).

    ``best`` is overwritten with every item set better than ``value[1]``. ``losses`` takes the sizes
    of the last losing moves (0 where there were fewer), those that opened a group as negative numbers.
    """
    lost = 0
    log = np.empty(4096, np.int64)
    # The items touched since ``best`` was right; -1 where it has to be copied whole.
    trail, n_trail = np.empty(TRAIL, np.int64), -1
    current, top = value[0], value[1]
    blocks, groups = m.blocks[0], m.member_ptr.size - 1
    cooling = (cold / heat) ** (1.0 / max(1, iterations)) if heat > 0 else 1.0
    temperature = heat
    power = PROMISING if m.member.size == 0 else PROMISING_AMONG_GROUPS
    window, start = min(blocks, WINDOW), 0
    for move in range(iterations):
        if window < blocks and move % (STAY * window) == 0:
            start = draw(state) % blocks
        temperature *= cooling
        n_log, gain, opens = 0, 0, False
        warmth = temperature
        if groups > 0 and draw(state) % GROUP_EVERY == 0:
            warmth *= GROUP_HEAT
            g = draw(state) % groups
            if m.group_price[g] == 0:
                continue
            if s.opened[g] == 0:
                gain, n_log = open_group(g, m, s, state, log)
            elif draw(state) % EXCHANGE_EVERY == 0:
                gain, n_log = exchange_groups(g, m, s, state, log)
            else:
                gain, n_log = close_group(g, m, s, state, log, 0)
        else:
            b = m.near[(start + draw(state) % window) % blocks]
            size = m.block_ptr[b + 1] - m.block_ptr[b]
            if size == 0:
                continue
            u = uniform(state)
            j = m.block_item[m.block_ptr[b] + int(u**power * size)]
            if s.taken[j]:
                continue
            opens = opening_cost(j, m, s) > 0
            gain = insert(j, m, s)
            log[0] = j + 1
            n_log = 1
            g2, n_log, ok = eject(j, m, s, state, log, n_log)
            gain += g2
            if ok:
                g2, n_log = refill(0, n_log, m, s, state, log, -1, scan)
                gain += g2
                g2, n_log = chain(m, s, state, log, n_log, 0, 4)
                gain += g2
            else:
                gain = -(1 << 60)
        if gain < 0 and warmth == temperature and losses.size:
            losses[lost % losses.size] = gain if opens else -gain
            lost += 1
        if gain >= 0 or (warmth > 0 and gain > -40 * warmth and uniform(state) < np.exp(gain / warmth)):
            current += gain
            if n_trail >= 0 and n_trail + n_log <= trail.size:
                for t in range(n_log):
                    trail[n_trail + t] = log[t] - 1 if log[t] > 0 else -log[t] - 1
                n_trail += n_log
            else:
                n_trail = -1
            if current > top:
                top = current
                if n_trail < 0:
                    best[:] = s.taken
                for t in range(n_trail):
                    best[trail[t]] = s.taken[trail[t]]
                n_trail = 0
        else:
            undo(log, n_log, m, s)
    value[0], value[1] = current, top
    return top
