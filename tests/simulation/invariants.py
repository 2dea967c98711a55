"""What must hold of a market after every step, whatever went wrong on the way.

Reads state and journal as an outsider would and shares no code with what it watches.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise

from market.adapters.codec import decode_envelope, decode_events
from market.adapters.journal_memory import MemoryJournal
from market.clearing.problem import Problem
from market.engine.snapshot import snapshot
from market.engine.state import ContractRecord, Index, OrderRecord, State
from market.engine.transitions import CONTRACT_TRANSITIONS, ORDER_TRANSITIONS
from market.model import events
from market.model.contract_events import BackupAwarded, LedgerPosted, ReliabilityObserved
from market.model.ledger import Posting
from market.ports import ReadModel, Stored
from takt_sdk.codec import digest_of
from takt_sdk.model.execution import RequestChange
from takt_sdk.model.messages import TERMINAL_ORDER_STATES
from takt_sdk.model.sheet import BidSheet
from tests.simulation.backups import Backups

COVERED = frozenset({"awarded", "confirmed", "in_production", "shipped", "delivered", "settled"})
"""Orders that are served: their lots are covered exactly."""

STANDS = frozenset({"awarded", "confirmed", "in_production", "finished", "shipped", "delivered", "settled"})
OVER = frozenset({"ended", "settled"})
EARNINGS = frozenset({"price", "set_up", "milestone"})
SEALED_FIELDS = (b"fixed_price_minor", b"unit_price_minor", b"reservation_value_minor")

RULES_TOLD = frozenset({"max_bids", "max_price_minor", "emissions_minor_per_tonne"})
"""What every call says of the rules: a price may be the same number by chance."""


class Violation(AssertionError):  # noqa: N818 - it is what was found, not what went wrong here
    """Something that must hold does not."""


def require(holds: bool, what: str) -> None:
    """Raise `Violation` unless it holds."""
    if not holds:
        raise Violation(what)


class Invariants:
    """A memory of what the market has said, held against what it says next."""

    def __init__(self) -> None:
        self.steps = 0
        self._read = 0
        self._acknowledged: dict[tuple[str, int, str], int] = {}
        self._orders: dict[str, str] = {}
        self._paid: dict[str, int] = {}
        self._closed: set[str] = set()
        self._accounts: dict[str, int] = defaultdict(int)
        self._earned: dict[str, int] = defaultdict(int)
        self._postings: set[str] = set()
        self._observed: set[str] = set()
        self._declared: dict[tuple[str, str, int], int] = {}
        self._in_round: dict[tuple[str, str], dict[tuple[str, int], int]] = {}
        self._prices: dict[str, set[int]] = defaultdict(set)
        self._backups = Backups()

    # --- what the outside was told -----------------------------------------------------------

    def acknowledge(self, sender: str, sequence: int, body: object, position: int) -> None:
        """Remember that a message was said to stand at ``position``; the same again, the same place.

        A question of what a change costs may have another answer, elsewhere, by the time it is asked again.
        """
        if isinstance(body, RequestChange):
            return
        known = self._acknowledged.setdefault((sender, sequence, digest_of(body)), position)
        require(known == position, f"a message acknowledged at {known} is now said to be at {position}")

    # --- every step --------------------------------------------------------------------------

    def check(self, state: State, journal: MemoryJournal) -> None:
        """Raise `Violation` if something does not hold."""
        self.steps += 1
        head = journal.head().size
        require(state.size == head, f"the state has {state.size} entries, the journal {head}")
        require(head >= self._read, f"the journal shrank from {self._read} to {head}")
        for stored in journal.read(self._read):
            self._entry(stored)
            self._sender(stored, state)
        self._read = head
        self._outputs(journal)
        self._index(state)
        self._states(state)
        for order in state.orders.values():
            self._order(state, order)
        self._payments(state)
        self._ledger(state)
        self._capacity(state)

    def _entry(self, stored: Stored) -> None:
        """Read a new entry: what counts, what is declared, who is paid."""
        for event in decode_events(stored.entry.events):
            match event:
                case events.SheetReceived():
                    round_id = event.sheet.round_id
                    require(round_id not in self._closed, f"a sheet of {round_id} counts after its close")
                    self._sheet(event.participant, event.sheet)
                case events.CallDeclined():
                    require(
                        event.round_id not in self._closed, f"an answer to {event.round_id} after its close"
                    )
                case events.SealedReceived():
                    require(
                        event.round_id not in self._closed,
                        f"a seal of {event.round_id} counts after its close",
                    )
                case events.AnswerOpened():
                    require(event.round_id in self._closed, f"{event.round_id} is opened before its close")
                    if event.sheet is not None:
                        self._sheet(event.participant, event.sheet)
                case events.RoundClosed():
                    require(event.round_id not in self._closed, f"{event.round_id} closed twice")
                    self._closed.add(event.round_id)
                case events.OrderSubmitted():
                    require(event.order.id not in self._orders, f"order {event.order.id} was doubled")
                    self._orders[event.order.id] = event.order.customer
                case LedgerPosted():
                    for posting in event.postings:
                        self._posting(posting)
                case ReliabilityObserved():
                    require(event.contract_id not in self._observed, f"{event.contract_id} counts twice")
                    self._observed.add(event.contract_id)
                case BackupAwarded():
                    require(not (wrong := self._backups.wrong(event)), wrong)
                case events.OrderSettled() | events.OrderExpired():
                    for contract_id, amount in event.payments:
                        require(contract_id not in self._paid, f"{contract_id} was paid twice")
                        self._paid[contract_id] = amount
                case _:
                    pass

    def _sender(self, stored: Stored, state: State) -> None:
        """Check that nobody acts in another's name."""
        sender = decode_envelope(stored.entry.message).sender
        for event in decode_events(stored.entry.events):
            match event:
                case (
                    events.SheetReceived()
                    | events.CallDeclined()
                    | events.SealedReceived()
                    | events.BreakdownReported()
                ):
                    owner = event.participant
                case events.MilestoneReported():
                    owner = state.contracts[event.contract_id].contract.participant
                case events.OrderSubmitted():
                    owner = event.order.customer
                case events.CancellationNoted():
                    owner = state.orders[event.order_id].order.customer
                case _:
                    continue
            require(owner == sender, f"{sender} acted in the name of {owner}: {event.kind}")

    def _sheet(self, participant: str, sheet: BidSheet) -> None:
        self._backups.take(participant, sheet)
        declared: dict[tuple[str, int], int] = {}
        rows = sheet.capacities
        for resource, period, amount in zip(rows.resource, rows.period, rows.available, strict=True):
            declared[resource, period] = amount
            key = (participant, resource, period)
            self._declared[key] = max(self._declared.get(key, 0), amount)
        self._in_round[sheet.round_id, participant] = declared
        for bid in sheet:
            self._prices[sheet.round_id] |= {bid.fixed_price_minor, bid.unit_price_minor} - set(range(1000))

    def _outputs(self, journal: MemoryJournal) -> None:
        """Sealed: nobody is told a price of a bid, nor what an order is worth to its customer."""
        for message in journal.open_outbox():
            for field in SEALED_FIELDS:
                require(field not in message.body, f"{message.message_id} tells {field.decode()}")
        sealed = {name: prices for name, prices in self._prices.items() if name not in self._closed}
        for round_id, prices in sealed.items():
            told = [row.document or b"" for row in journal.rows("clearings", key=round_id)]
            told += [message.body for message in journal.open_outbox() if message.channel == "cfp"]
            for document in told:
                shown = prices & set(_integers(json.loads(document)))
                require(not shown, f"{shown} of a bid in {round_id} is told before the close")

    def check_receipts(self, journal: MemoryJournal) -> None:
        """Raise `Violation` unless every message that was acknowledged stands where it was said to be."""
        entries = list(journal.read())
        for (sender, sequence, digest), position in self._acknowledged.items():
            require(0 <= position < len(entries), f"acknowledged at {position} of {len(entries)} entries")
            said = decode_envelope(entries[position].entry.message)
            stands = (said.sender, digest_of(said.body)) == (sender, digest)
            require(stands, f"message {sequence} of {sender} does not stand at {position}")

    def _index(self, state: State) -> None:
        kept = state.index
        state.reindex()
        derived, state.index = state.index, kept
        for name in Index.__slots__:
            one, other = getattr(kept, name), getattr(derived, name)
            require(name == "problem" or _plain(one) == _plain(other), f"index.{name} is {one}, not {other}")
        round_ = state.round
        if kept.problem is not None and round_ is not None and round_.state == "clearing":
            shared = snapshot(state, round_, kept.problem[1].seed)
            kept.problem = None
            anew = snapshot(state, round_, shared.seed)
            require(_columns(shared) == _columns(anew), f"what {round_.id} poses is not what it was")

    def _states(self, state: State) -> None:
        require(set(self._orders) == set(state.orders), "an acknowledged order is lost or one is doubled")
        order_steps: AbstractSet[tuple[str, str]] = {
            (before, after) for (before, _), after in ORDER_TRANSITIONS.items()
        }
        for order in state.orders.values():
            _check_history([entry.state for entry in order.history], order_steps, "submitted", order.order.id)
            require(order.history[-1].state == order.state, f"{order.order.id} is in two states")
        contract_steps: AbstractSet[tuple[str, str]] = {
            (before, after) for (before, _), after in CONTRACT_TRANSITIONS.items()
        }
        for contract in state.contracts.values():
            id_ = contract.contract.id
            _check_history([entry.state for entry in contract.history], contract_steps, "awarded", id_)
            require(contract.history[-1].state == contract.state, f"{id_} is in two states")
            require(
                id_ in state.orders[contract.contract.order_id].contracts,
                f"{id_} is not of its order's contracts",
            )

    def _order(self, state: State, order: OrderRecord) -> None:
        """Hold what stands for an order against what was awarded for it and what it pays."""
        id_, terms = order.order.id, order.order.terms
        covered: dict[str, int] = defaultdict(int)
        participants = set()
        for contract_id in order.contracts:
            known = state.contracts[contract_id]
            if known.state in STANDS:
                participants.add(known.contract.participant)
                for item in known.contract.items:
                    covered[item.lot_id] += item.quantity
        if order.state in COVERED:
            for lot in order.order.lots:
                due = lot.quantity * order.pieces
                require(
                    covered[lot.id] * terms.quantity == due,
                    f"{lot.id} of {id_} ({order.state}) is covered by {covered[lot.id]}, "
                    f"not {lot.quantity} × {order.pieces}/{terms.quantity}",
                )
            require(
                0 < order.pieces <= terms.quantity, f"{id_} gets {order.pieces} of {terms.quantity} pieces"
            )
            require(order.pieces == terms.quantity or terms.partial, f"{id_} is served in part")
            limit = terms.max_suppliers
            require(limit is None or len(participants) <= limit, f"{id_} has {participants}, at most {limit}")
        for lot in order.order.lots:
            require(
                covered[lot.id] <= lot.quantity, f"{lot.id} is covered {covered[lot.id]} of {lot.quantity}"
            )
        if order.state in TERMINAL_ORDER_STATES:
            loose = [c for c in order.contracts if state.contracts[c].state not in OVER]
            require(not loose, f"{id_} is {order.state}, its contracts {loose} are not over")
        if order.charge_minor is None:
            require(order.state not in COVERED, f"{id_} is {order.state} and pays nothing")
            return
        parts = (order.production_minor, order.transport_minor, order.fee_minor)
        require(None not in parts, f"{id_} has charge {order.charge_minor} of {parts}")
        total = sum(part for part in parts if part is not None)
        require(order.charge_minor == total, f"{id_} is charged {order.charge_minor}, its parts are {total}")
        require(
            0 <= order.charge_minor <= terms.reservation_value_minor,
            f"{id_} is charged {order.charge_minor}, at most {terms.reservation_value_minor}",
        )

    def _payments(self, state: State) -> None:
        for contract in state.contracts.values():
            id_ = contract.contract.id
            due = self._paid.get(id_, 0)
            require(
                contract.payment_due_minor == due, f"{id_} is owed {contract.payment_due_minor}, not {due}"
            )
            require(
                (contract.state == "settled") == (id_ in self._paid), f"{id_} is {contract.state}, paid {due}"
            )

    def _posting(self, posting: Posting) -> None:
        require(posting.id not in self._postings, f"{posting.id} was posted twice")
        self._postings.add(posting.id)
        total = sum(line.amount_minor for line in posting.lines)
        require(total == 0, f"{posting.id} is off by {total}")
        for line in posting.lines:
            self._accounts[line.account] += line.amount_minor
            if posting.kind in EARNINGS and line.account.startswith("participant/"):
                self._earned[posting.contract_id] += line.amount_minor

    def _ledger(self, state: State) -> None:
        """Books balance, no piece is paid twice, and what an order was charged is passed on in full."""
        book = state.contracting
        require(sum(book.balances.values()) == 0, f"the books are off by {sum(book.balances.values())}")
        for account, amount in self._accounts.items():
            known = book.balances.get(account, 0)
            require(known == amount, f"{account} stands at {known}, its postings at {amount}")
        for participant, lines in book.statements.items():
            last = lines[-1].balance_minor if lines else 0
            require(
                not lines or last == self._accounts[f"participant/{participant}"],
                f"the statement of {participant} ends at {last}",
            )
        for contract_id, earned in self._earned.items():
            contract = state.contracts.get(contract_id)
            if contract is None:
                continue
            agreed = contract.contract.payment_minor
            require(0 <= earned <= agreed, f"{contract_id} earned {earned} of {agreed}")
            if contract.state == "settled":
                require(earned == agreed, f"{contract_id} is settled and earned {earned} of {agreed}")
        for order in state.orders.values():
            if order.state in TERMINAL_ORDER_STATES:
                rest = book.balances.get(f"order/{order.order.id}", 0)
                require(rest == 0, f"{order.order.id} is {order.state}, {rest} of its charge is left over")

    def _capacity(self, state: State) -> None:
        """Nobody is held to more than it declared: in the round, and over all rounds."""
        in_round: dict[tuple[str, str], dict[tuple[str, int], int]] = defaultdict(lambda: defaultdict(int))
        total: dict[tuple[str, str, int], int] = defaultdict(int)
        for known in state.contracts.values():
            contract = known.contract
            over_us = _finished_early_us(known)
            for use in contract.uses:
                in_round[contract.round_id, contract.participant][use.resource, use.period] += use.amount
                worked = over_us is None or state.rules.periods.window(use.period).end_us <= over_us
                if known.state in STANDS and worked:
                    total[contract.participant, use.resource, use.period] += use.amount
        for key, uses in in_round.items():
            for place, amount in uses.items():
                limit = self._in_round[key].get(place, 0)
                require(amount <= limit, f"{key} is awarded {amount} of {limit} on {place}")
        self.total_use = total

    def check_capacity_over_rounds(self) -> None:
        """Bidders that declare what they have left are never promised more than they had at first."""
        for key, amount in self.total_use.items():
            require(amount <= self._declared[key], f"{key} is used {amount} of {self._declared[key]}")


def _check_history(states: list[str], steps: AbstractSet[tuple[str, str]], first: str, name: str) -> None:
    require(states[0] == first, f"{name} began as {states[0]}")
    for before, after in pairwise(states):
        require((before, after) in steps, f"{name} went from {before} to {after}")


def _finished_early_us(known: ContractRecord) -> int | None:
    """Return when work ended before its time, by its pace or cut off; what was left may be sold again."""
    ends = [entry.at_us for entry in known.history if entry.state == "finished"]
    return ends[0] if ends and ends[0] < known.contract.end_us else None


def _columns(problem: Problem) -> list[str]:
    columns = (getattr(problem, name) for name in Problem.__slots__)
    return [repr(column.tolist() if hasattr(column, "tolist") else column) for column in columns]


def _plain(value: object) -> object:
    """Return a comparable form in which empty members do not count."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items() if member not in ({}, 0)}
    return value


def _integers(value: object) -> Iterator[int]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key not in RULES_TOLD:
                yield from _integers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _integers(member)
    elif isinstance(value, int):
        yield value


def rows_of(journal: MemoryJournal) -> dict[tuple[str, str], tuple[str, str, bytes]]:
    """Return every row of the read models but its time of writing."""
    found: dict[tuple[str, str], tuple[str, str, bytes]] = {}
    models: tuple[ReadModel, ...] = ("orders", "contracts", "ledger", "participants", "parts", "clearings")
    for model in models:
        for row in journal.rows(model, limit=1_000):
            assert row.document is not None
            found[model, row.key] = (row.tenant, row.status, row.document)
    return found
