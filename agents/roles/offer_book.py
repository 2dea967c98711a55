"""What a company has bid in the rounds that are not over, and what its contracts cost it.

Remembers per bid what it would cost, so that a policy can learn from a round and a study can tell
profit from turnover. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents.policies.policy import Lesson, Offer
from takt_sdk.model.messages import RoundResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """A bid as made: cost and price of ``fixed`` + ``unit`` × quantity, of at most ``quantity`` units."""

    lots: tuple[str, ...]
    quantity: int
    cost_fixed_minor: int
    price_fixed_minor: int
    cost_unit_minor: int = 0
    price_unit_minor: int = 0

    def cost_minor(self, quantity: int) -> int:
        """Return the cost of a quantity."""
        return self.cost_fixed_minor + self.cost_unit_minor * quantity

    def price_minor(self, quantity: int) -> int:
        """Return the price of a quantity."""
        return self.price_fixed_minor + self.price_unit_minor * quantity


MOST_STANDING = 500
"""Most rounds of which bids that stand by are remembered, the newest."""


class OfferBook:
    """Bids of open rounds, by round and in the order of the sheet; costs of contracts won, by id."""

    def __init__(self) -> None:
        self._quoted: dict[str, list[Quoted]] = {}
        self._standing: dict[str, dict[str, Quoted]] = {}
        self.cost_minor: dict[str, int] = {}
        """What each contract of this agent's life costs its company."""

    def quote(self, round_id: str, quoted: Quoted) -> None:
        """Remember the next bid of a round's sheet."""
        self._quoted.setdefault(round_id, []).append(quoted)

    def close(self, result: RoundResult) -> Lesson | None:
        """Return what came of a round's bids; None where none are remembered."""
        quoted = self._quoted.pop(result.round_id, None)
        self._quoted = {name: bids for name, bids in self._quoted.items() if name > result.round_id}
        if quoted is None:
            self._stood_by(result)
            return None
        if result.standing_by:
            self._standing[result.round_id] = {bid: quoted[_index(bid)] for bid in result.standing_by}
            self._standing = dict(sorted(self._standing.items())[-MOST_STANDING:])
        won: dict[int, int] = {}
        for contract in result.awards:
            index = _index(contract.bid_id)
            won[index] = sum(item.quantity for item in contract.items)
            self.cost_minor[contract.id] = quoted[index].cost_minor(won[index])
        best: dict[str, Offer] = {}
        for index, bid in enumerate(quoted):
            quantity = won.get(index, bid.quantity)
            offer = Offer(
                lot_id=bid.lots[0],
                cost_minor=bid.cost_minor(quantity),
                price_minor=bid.price_minor(quantity),
                won=index in won,
            )
            for lot in bid.lots:
                kept = best.get(lot)
                if kept is None or (offer.won, -offer.price_minor) > (kept.won, -kept.price_minor):
                    best[lot] = offer
        return Lesson(
            round_id=result.round_id,
            offers=tuple(best.values()),
            payment_minor=sum(contract.payment_minor for contract in result.awards),
            cost_minor=sum(quoted[index].cost_minor(quantity) for index, quantity in won.items()),
        )

    def _stood_by(self, result: RoundResult) -> None:
        """Remember what contracts cost whose bids lost, stood by and were awarded later."""
        standing = self._standing.get(result.round_id, {})
        for contract in result.awards:
            quoted = standing.get(contract.bid_id)
            if quoted is not None:
                quantity = sum(item.quantity for item in contract.items)
                self.cost_minor[contract.id] = quoted.cost_minor(quantity)


def _index(bid_id: str) -> int:
    return int(bid_id.removeprefix("b"))
