"""When market time stops in a scenario run: the ticks that every transport shares.

Between two ticks nothing happens; agents report what was due since the last one with its own time.
"""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.population import Population


def tick_times(population: Population) -> Iterator[int]:
    """Yield the times at which the market's clock stands, rising, until the horizon.

    They are the beats of the takt and half of it, every order's submission, every breakdown's start, every
    notice, and what a silence begins, shows and ends with.
    """
    step_us = population.beat_us
    moments = {order.at_us for order in population.orders}
    moments |= {breakdown.window.start_us for breakdown in population.breakdowns}
    moments |= {notice.at_us for notice in population.notices}
    for silence in population.silences:
        window = silence.window
        heard_us = window.start_us + population.rules.contracts.heartbeat_us
        moments |= {window.start_us, min(heard_us, window.end_us), window.end_us}
    moments |= set(range(population.start_us, population.end_us + 1, step_us))
    yield from sorted(moment for moment in moments if population.start_us <= moment <= population.end_us)
