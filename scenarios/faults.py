"""What may go wrong in a simulated run, and the seeded dice that decide when.

Probabilities are per message or step, in millionths. Holds no transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from scenarios.chance import stream

PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often what goes wrong, in millionths.

    Attributes
    ----------
    loss_ppm
        A message, request or reply, is lost; senders try again.
    duplicate_ppm
        A message arrives twice.
    delay_ppm
        A message waits while others overtake it.
    engine_crash_ppm
        The engine's process dies after a step and restarts from its journal.
    commit_crash_ppm
        It dies after deciding and before committing: the message had no effect.
    agent_crash_ppm
        A company's process dies and comes back with nothing but its profile.
    slow_clearing_ppm
        The solver takes a step longer: other messages come between the close and its decision.
    """

    loss_ppm: int = 0
    duplicate_ppm: int = 0
    delay_ppm: int = 0
    engine_crash_ppm: int = 0
    commit_crash_ppm: int = 0
    agent_crash_ppm: int = 0
    slow_clearing_ppm: int = 0


NO_FAULTS = Faults()
ROUGH = Faults(
    loss_ppm=100_000,
    duplicate_ppm=100_000,
    delay_ppm=200_000,
    engine_crash_ppm=10_000,
    commit_crash_ppm=10_000,
    agent_crash_ppm=10_000,
    slow_clearing_ppm=700_000,
)
"""Every fault, often enough to meet each in a short run."""


class Dice:
    """Seeded decisions; one stream per concern, so that a new fault moves no other."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self.faults = faults
        self._seed = seed
        self._streams: dict[str, Random] = {}

    def happens(self, concern: str) -> bool:
        """Return whether the fault named ``concern`` (a field of `Faults` without its unit) happens now."""
        ppm: int = getattr(self.faults, f"{concern}_ppm")
        return ppm > 0 and self._stream(concern).randrange(PPM) < ppm

    def pick(self, concern: str, count: int) -> int:
        """Return an index below ``count``: 0 without faults, so that order is kept."""
        if self.faults == NO_FAULTS or count == 1:
            return 0
        return self._stream(concern).randrange(count)

    def _stream(self, concern: str) -> Random:
        if concern not in self._streams:
            self._streams[concern] = stream(self._seed, "faults", concern)
        return self._streams[concern]
