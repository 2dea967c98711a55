"""What the scripted market knows of its one participant: rounds, contracts, numbers. Sends nothing.

Pure but for the log's salts; time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from market.conformance.orders import OrderBook
from market.engine.transitions import next_contract_state
from takt_sdk.model.contract import (
    Contract,
    ContractItem,
    ContractState,
    ResourceUse,
    Shipment,
    contract_id,
)
from takt_sdk.model.messages import (
    CallForProposals,
    ContractStatus,
    DeclineCall,
    SheetStatus,
    SyncReply,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import Bid, BidSheet
from takt_sdk.model.values import MINUTE_US

TRANSIT_MINUTES = 60
OVER: frozenset[ContractState] = frozenset({"at_risk", "ended", "settled"})
HOLDING: frozenset[ContractState] = frozenset({"awarded", "confirmed", "in_production"})
"""Contracts whose work takes up capacity still."""


@dataclass(slots=True, kw_only=True)
class Round:
    """A call and what came of it. ``answer`` is the last one taken, opened if it was sealed."""

    call: CallForProposals
    closed: bool = False
    answer: BidSheet | DeclineCall | None = None
    sequence: int = 0
    position: int = 0
    refused: bool = False

    @property
    def settled(self) -> bool:
        """Whether an answer was taken, or refused for good."""
        return self.answer is not None or self.refused


@dataclass(slots=True, kw_only=True)
class Held:
    """A contract, its state, the milestones taken, the market's last notice of it."""

    contract: Contract
    state: ContractState = "awarded"
    milestones: list[str] = field(default_factory=list)
    sequence: int = 0
    notice_id: str = ""

    @property
    def quantity(self) -> int:
        """Units of all lots."""
        return sum(item.quantity for item in self.contract.items)

    @property
    def arrival_us(self) -> int:
        """When the last goods should have arrived."""
        return self.contract.end_us + TRANSIT_MINUTES * MINUTE_US


class Book:
    """One participant's affairs on the scripted market."""

    def __init__(self, participant: str) -> None:
        self.participant = participant
        self.rounds: dict[str, Round] = {}
        self.contracts: dict[str, Held] = {}
        self.numbers: dict[str, dict[int, tuple[str, int]]] = {}
        """Conversation → number → (digest of the body, position in the log)."""
        self.totals: dict[tuple[str, int], int] = {}
        """(Resource, period) → what the participant declared when nothing of it was taken."""
        self.seen: set[tuple[str, str]] = set()
        """Transitions of the participant's two state machines that were gone through."""
        self.bought = OrderBook(participant)

    def booked(self) -> dict[tuple[str, int], int]:
        """Return what running contracts take, by resource and period."""
        taken: dict[tuple[str, int], int] = {}
        for held in self.contracts.values():
            for use in held.contract.uses if held.state in HOLDING else ():
                key = (use.resource, use.period)
                taken[key] = taken.get(key, 0) + use.amount
        return taken

    def take_answer(
        self, round_id: str, answer: BidSheet | DeclineCall, sequence: int, position: int
    ) -> None:
        """Let an answer stand."""
        round_ = self.rounds[round_id]
        before = _name(round_.answer)
        word = "bid_sheet" if isinstance(answer, BidSheet) else "decline_call"
        self.seen.add((before, f"{word} has a receipt"))
        round_.answer, round_.sequence, round_.position = answer, sequence, position
        if isinstance(answer, BidSheet):
            booked, declared = self.booked(), answer.capacities
            for resource, period, available in zip(
                declared.resource, declared.period, declared.available, strict=True
            ):
                key = (resource, period)
                self.totals.setdefault(key, available + booked.get(key, 0))

    def advance(self, contract: str, trigger: str, *, own: bool) -> bool:
        """Move a contract by a milestone or by the market; return False where its state does not allow it."""
        held = self.contracts[contract]
        after = next_contract_state(held.state, trigger)
        if after is None:
            return False
        self.seen.add((held.state, f"report {trigger}" if own else f"notice {trigger} in"))
        held.state = after
        if own:
            held.milestones.append(trigger)
        return True

    def award(self, round_id: str, lots: Iterable[str]) -> tuple[tuple[Contract, ...], tuple[str, ...]]:
        """Accept a bid on each of some lots, as groups and capacity allow; return contracts and losers."""
        round_ = self.rounds[round_id]
        sheet = round_.answer
        assert isinstance(sheet, BidSheet)
        free = [
            self.totals[key] - self.booked().get(key, 0)
            for key in zip(sheet.capacities.resource, sheet.capacities.period, strict=True)
        ]
        accepted: list[Bid] = []
        in_group = [0] * len(sheet.groups.id)
        wanted = set(lots)
        for bid in sheet:
            names = {name for name, _ in bid.items}
            if not names or not names <= wanted:
                continue
            quantity = sum(count for _, count in bid.items)
            takes = {row: fixed + each * quantity for row, fixed, each in bid.uses}
            limits = (sheet.groups.max_accepted[group] for group in bid.groups)
            full = any(
                limit is not None and in_group[group] >= limit
                for group, limit in zip(bid.groups, limits, strict=True)
            )
            if full or any(amount > free[row] for row, amount in takes.items()):
                continue
            for row, amount in takes.items():
                free[row] -= amount
            for group in bid.groups:
                in_group[group] += 1
            accepted.append(bid)
            wanted -= names
        contracts = tuple(self._contract(round_id, sheet, bid) for bid in accepted)
        self.contracts |= {contract.id: Held(contract=contract) for contract in contracts}
        won = {bid.id for bid in accepted}
        return contracts, tuple(name for name in sheet.bids.id if name not in won)

    def _contract(self, round_id: str, sheet: BidSheet, bid: Bid) -> Contract:
        quantity = sum(count for _, count in bid.items)
        lots = {lot.id: lot for lot in self.rounds[round_id].call.lots}
        first: Lot = lots[bid.items[0][0]]
        groups = sum(sheet.groups.fixed_price_minor[group] for group in bid.groups)
        return Contract(
            id=contract_id(round_id, self.participant, bid.id),
            order_id=first.order_id,
            round_id=round_id,
            participant=self.participant,
            bid_id=bid.id,
            site=bid.site,
            items=tuple(ContractItem(lot_id=name, quantity=count) for name, count in bid.items),
            payment_minor=bid.price_minor(quantity) + groups,
            start_us=bid.start_us,
            end_us=bid.end_us,
            uses=tuple(
                ResourceUse(
                    resource=sheet.capacities.resource[row],
                    period=sheet.capacities.period[row],
                    amount=fixed + each * quantity,
                )
                for row, fixed, each in bid.uses
                if fixed + each * quantity
            ),
            shipments=(
                Shipment(
                    arc_id=f"{first.order_id}.0",
                    to_site=bid.site,
                    to_contract=None,
                    quantity=bid.items[-1][1],
                    transit_minutes=TRANSIT_MINUTES,
                    cost_minor=0,
                    emissions_g=0,
                ),
            ),
            emissions_g=bid.emissions_g,
        )

    def send_elsewhere(self, contract: str) -> Contract:
        """Let a contract's goods go to another contract instead of the customer; return it as it is now."""
        held = self.contracts[contract]
        (shipment,) = held.contract.shipments
        moved = replace(shipment, to_contract=contract_id("r-elsewhere", "another", "b0"))
        held.contract = replace(held.contract, shipments=(moved,))
        return held.contract

    def sync(self, now_us: int) -> SyncReply:
        """Return what the participant needs to catch up."""
        open_ = [one for one in self.rounds.values() if not one.closed and one.call.deadline_us > now_us]
        return SyncReply(
            participant=self.participant,
            now_us=now_us,
            calls=tuple(one.call for one in open_),
            sheets=tuple(
                SheetStatus(round_id=one.call.round_id, sequence=one.sequence, position=one.position)
                for one in open_
                if one.answer is not None
            ),
            contracts=tuple(
                ContractStatus(contract=held.contract, state=held.state, report_sequence=held.sequence)
                for held in self.contracts.values()
                if held.state != "ended"
            ),
            orders=self.bought.notices(now_us),
        )


def _name(answer: BidSheet | DeclineCall | None) -> str:
    if answer is None:
        return "called"
    return "answered" if isinstance(answer, BidSheet) else "declined"
