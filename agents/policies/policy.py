"""What a bidding policy is asked and what it learns. Holds no behaviour of its own.

A policy prices the dated alternatives of one piece of work, and hears after each round what came of
its bids. It lives as long as its agent: an agent that is started again begins to learn anew. It has
no clock and no chance: what is drawn is drawn from the seed in the company's pricing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from agents.profile import ONE_PPM, Pricing
from takt_sdk.model.order import Lot


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The work that is to be priced.

    Attributes
    ----------
    round_id
        Round of the call.
    lots
        One lot, or several of one order that are offered together.
    quantity
        Units that the costs are for.
    part
        Whether the costs are of the whole quantity, of what comes once (a set-up), or of each unit.
    load_ppm
        How much of the capacity in question is promised already, millionths.
    iteration
        How often the takt has been bid on with this.
    told_minor
        What the work was worth in the round before, where the market tells prices; None elsewhere.
    """

    round_id: str
    lots: tuple[Lot, ...]
    quantity: int
    part: Literal["whole", "fixed", "unit"] = "whole"
    load_ppm: int = 0
    iteration: int = 1
    told_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A bid of one's own: cost and price of what was accepted of it, or of all of it if nothing was."""

    lot_id: str
    cost_minor: int
    price_minor: int
    won: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What came of one's bids in a round; of alternatives that exclude each other, the best fate of a lot.

    ``payment_minor`` is what the contracts won will pay, ``cost_minor`` what they will cost.
    """

    round_id: str
    offers: tuple[Offer, ...]
    payment_minor: int
    cost_minor: int


class Policy(ABC):
    """How one company's costs become prices.

    Parameters
    ----------
    participant
        Whose policy it is.
    pricing
        The figures of its profile.
    """

    accepts_awards = True
    """Whether it means what it bids; one that does not refuses every contract that it wins."""

    def __init__(self, participant: str, pricing: Pricing) -> None:
        self.participant = participant
        self.pricing = pricing

    @abstractmethod
    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:
        """Return a price for each alternative, given soonest first, or nothing to make no offer."""

    def learn(self, lesson: Lesson) -> None:  # noqa: B027 - nothing is the default
        """Take note of what came of a round; most policies learn nothing."""

    def draw(self, concern: str, below: int) -> int:
        """Return a number in ``[0, below)`` from the company's seed: the same for the same concern."""
        content = f"{self.pricing.seed}\n{self.participant}\n{concern}".encode()
        return int.from_bytes(sha256(content).digest()[:8], "big") % below


def with_margin(cost_minor: int, margin_ppm: int) -> int:
    """Return cost × (1 + margin), rounded up."""
    return -(-cost_minor * (ONE_PPM + margin_ppm) // ONE_PPM)
