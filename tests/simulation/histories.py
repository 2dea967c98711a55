"""Many histories in one go: ``python -m tests.simulation.histories --first 0 --count 10000``.

Each is a random market in which disruptions of every cause meet loss, repetition, overtaking and crashes;
what must hold is checked after every step, and that every order has ended by the horizon.
"""

from __future__ import annotations

import argparse
import sys
import time

from scenarios.faults import ROUGH
from tests.simulation.disrupted import disrupted_population
from tests.simulation.watched import Watched

TELL_EVERY = 250


def history(seed: int) -> Watched:
    """Run one history to its end.

    Raises
    ------
    AssertionError
        Naming the seed, if something that must hold does not.
    """
    simulation = Watched(disrupted_population(seed), faults=ROUGH, fault_seed=seed)
    try:
        simulation.finish()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    return simulation


def main(arguments: list[str]) -> int:
    """Run the histories that the command line asks for; return how many were wrong, at most 100."""
    parser = argparse.ArgumentParser(prog="tests.simulation.histories")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    asked = parser.parse_args(arguments)
    entries = crashes = risks = wrong = 0
    for number, seed in enumerate(range(asked.first, asked.first + asked.count), start=1):
        try:
            simulation = history(seed)
        except AssertionError as error:
            wrong += 1
            sys.stdout.write(f"WRONG {error}\n")
        else:
            entries += simulation.kernel.state.size
            crashes += simulation.crashes
            risks += sum(len(known) for known in simulation.kernel.state.contracting.risks.values())
        if number % TELL_EVERY == 0 or number == asked.count:
            sys.stdout.write(
                f"{number} histories, {wrong} wrong, {entries} log entries, {crashes} crashes, "
                f"{risks} risks, {time.process_time():.0f} s CPU\n"
            )
            sys.stdout.flush()
    return min(wrong, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
