"""Which money moves because of events, as balanced postings. Decides; changes nothing itself.

Amounts are agreed prices and shares of them by the rules; what was posted before is never posted again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from market.engine.contesting import LATE
from market.engine.state import ContractRecord, OrderRecord, State
from market.engine.transitions import STANDING
from market.model import events
from market.model.contract_events import ContractReduced, LedgerPosted, PaymentRecorded
from market.model.contract_rules import PPM
from market.model.events import Event
from market.model.ledger import (
    BANK,
    CARRIERS,
    GROUPS,
    PLATFORM,
    Line,
    Posting,
    PostingKind,
    order_account,
    participant_account,
)
from takt_sdk.model.contract import Contract
from takt_sdk.model.values import DAY_US

BREACHES = frozenset({"not confirmed in time", "silent past its end", "heartbeat missed"})
"""Reasons for which a contract ends by its participant's fault."""

BREAKDOWN = "breakdown"
"""How the reason begins for which a contract is lost to a breakdown that was told."""

RELEASED, PREEMPTED, CHANGED = "released: ", "pre-empted by rule", "changed by the customer"
_GIVEN_UP = (RELEASED, PREEMPTED, CHANGED)
"""Causes for which unstarted work is given up by no fault of its participant."""

DONE = frozenset({"finished", "shipped", "delivered"})


def postings(state: State, happened: Iterable[Event], now_us: int) -> Iterator[Event]:
    """Yield one event with all postings that ``happened`` causes; ``state`` is the one before."""
    book = _Postings(state, now_us)
    for event in happened:
        book.take(event)
    if book.made:
        yield LedgerPosted(postings=tuple(book.made))


def cancellation_minor(state: State, record: ContractRecord) -> int:
    """Return what a customer pays for cancelling a contract in its present state.

    Work that is done is paid in full, at least the rule's share of the rest; a share of a group's fixed
    price that contracts of other orders rely on stays due in any state.
    """
    rules, contract = state.rules.contracts, record.contract
    if record.state not in STANDING:
        return 0
    if record.state in DONE:
        return contract.payment_minor
    known = state.contracting.terms.get(contract.id)
    group = 0 if known is None or not _is_shared(state, record) else known.group_minor
    rest = contract.payment_minor - group
    share = {
        "awarded": rules.cancel_awarded_ppm,
        "confirmed": rules.cancel_confirmed_ppm,
        "in_production": rules.cancel_begun_ppm,
    }[record.state]
    units = sum(item.quantity for item in contract.items)
    done = rest * min(record.finished_quantity, units) // units
    return group + done + (rest - done) * share // PPM


def _is_shared(state: State, record: ContractRecord) -> bool:
    """Return whether a contract of another order stands that shares a group's fixed price."""
    groups = set(state.contracting.terms[record.contract.id].groups)
    return bool(groups) and any(
        groups & set(terms.groups)
        for id_, terms in state.contracting.terms.items()
        if (other := state.contracts.get(id_)) is not None
        and other.contract.order_id != record.contract.order_id
        and other.state in STANDING | {"settled"}
    )


def cut_minor(state: State, record: ContractRecord, cut: Contract) -> int:
    """Return what a customer pays for making a contract smaller: the state's share of what is cut."""
    rules = state.rules.contracts
    share = {
        "awarded": rules.cancel_awarded_ppm,
        "confirmed": rules.cancel_confirmed_ppm,
        "in_production": rules.cancel_begun_ppm,
    }[record.state]
    return (record.contract.payment_minor - cut.payment_minor) * share // PPM


class _Postings:
    """Postings under construction; `made` are all so far."""

    def __init__(self, state: State, now_us: int) -> None:
        self.state, self.now_us = state, now_us
        self.made: list[Posting] = []
        self.failed = ""
        self.released: set[str] = set()
        self.taken_back: Counter[str] = Counter()
        """What was on account of an order's contracts until this entry."""

    def take(self, event: Event) -> None:
        """Post what one event moves."""
        match event:
            case events.OrderSettled():
                self._settled(self.state.orders[event.order_id], event)
            case events.OrderExpired():
                self._paid_out(self.state.orders[event.order_id], event.payments, event.charge_minor)
                if self.state.rules.contracts.pay_moved:
                    self._moved(self.state.orders[event.order_id])
            case events.OrderCancelled():
                self._cancelled(self.state.orders[event.order_id])
            case events.MilestoneReported():
                self._milestone(self.state.contracts[event.contract_id], event)
            case events.ContractEnded():
                self._lost(event.contract_id, event.reason)
            case PaymentRecorded():
                account = participant_account(event.participant)
                self._post(
                    "payment",
                    "",
                    "",
                    (BANK, -event.amount_minor),
                    (account, event.amount_minor),
                    detail=event.reference,
                )
            case events.OrderPassedOver():
                self.failed = event.order_id  # whatever gives way next gives way to it
            case events.OrderAwarded():
                self.released.update(event.ended)
                for contract_id in event.ended:
                    known = self.state.contracts[contract_id]
                    amount = cancellation_minor(self.state, known)
                    self._compensate(known, amount, f"{RELEASED}it has no place in the new plan")
            case ContractReduced() if event.by_customer:
                known = self.state.contracts[event.contract.id]
                self._compensate(known, cut_minor(self.state, known, event.contract), event.reason)
            case ContractReduced():
                self._lost(event.contract.id, event.reason, event.contract.payment_minor)
            case events.ContractAtRisk() if event.cause.startswith(_GIVEN_UP):
                known = self.state.contracts[event.contract_id]
                self._compensate(known, cancellation_minor(self.state, known), event.cause)
            case events.ContractAtRisk():
                self._lost(event.contract_id, event.cause)
            case _:
                pass

    # --- what is agreed ----------------------------------------------------------------------

    def _settled(self, record: OrderRecord, event: events.OrderSettled) -> None:
        self._paid_out(record, event.payments, event.charge_minor)
        id_, order = record.order.id, order_account(record.order.id)
        transport, fee = record.transport_minor or 0, record.fee_minor or 0
        self._post("transport", id_, "", (order, -transport), (CARRIERS, transport))
        self._post("fee", id_, "", (order, -fee), (PLATFORM, fee))
        rest = event.charge_minor - sum(amount for _, amount in event.payments) - transport - fee
        self._post("shared", id_, "", (order, -rest), (GROUPS, rest))
        self._late(record)

    def _paid_out(self, record: OrderRecord, payments: tuple[tuple[str, int], ...], charge: int) -> None:
        """Charge the customer and pay the contracts what was not charged and paid on account."""
        id_, order = record.order.id, order_account(record.order.id)
        due = charge - self.state.contracting.charged.get(id_, 0) + self.taken_back[id_]
        self._post("charge", id_, "", (participant_account(record.order.customer), -due), (order, due))
        for contract_id, amount in payments:
            contract = self.state.contracts[contract_id].contract
            rest = amount - self.state.contracting.paid.get(contract_id, 0)
            terms = self.state.contracting.terms.get(contract_id)
            fixed = 0 if terms is None else max(0, min(terms.fixed_minor + terms.group_minor, rest))
            earner = participant_account(contract.participant)
            self._post("set_up", id_, contract_id, (order, -fixed), (earner, fixed))
            self._post("price", id_, contract_id, (order, fixed - rest), (earner, rest - fixed))

    def _milestone(self, record: ContractRecord, event: events.MilestoneReported) -> None:
        """Pay on account what is finished; refusing an award that binds is a breach."""
        rules, contract = self.state.rules.contracts, record.contract
        if event.milestone == "refused":
            self._breach(contract.id, rules.breach_ppm, "refused", 0)
        if event.milestone != "finished":
            return
        units = sum(item.quantity for item in contract.items)
        good = min(event.quantity or units, units)
        self._on_account(contract, contract.payment_minor * good // units * rules.on_account_ppm // PPM)

    def _on_account(self, contract: Contract, amount: int, detail: str = "") -> None:
        """Pay an amount on account; take it back where it is negative."""
        customer = participant_account(self.state.orders[contract.order_id].order.customer)
        order, earner = order_account(contract.order_id), participant_account(contract.participant)
        told = (contract.order_id, contract.id)
        self._post("charge", *told, (customer, -amount), (order, amount), detail=detail)
        self._post("milestone", *told, (order, -amount), (earner, amount), detail=detail)

    # --- what the rules add ------------------------------------------------------------------

    def _cancelled(self, record: OrderRecord) -> None:
        customer = participant_account(record.order.customer)
        for contract_id in sorted(set(record.contracts) - self.released):
            known = self.state.contracts[contract_id]
            paid = self.state.contracting.paid.get(contract_id, 0)
            amount = max(0, cancellation_minor(self.state, known) - paid)
            earner = participant_account(known.contract.participant)
            self._post("cancellation", record.order.id, contract_id, (customer, -amount), (earner, amount))
        self._moved(record)

    def _moved(self, record: OrderRecord) -> None:
        """Pay the carriers of an order that ends for what had moved."""
        customer = participant_account(record.order.customer)
        moved = self.state.contracting.sunk.get(record.order.id, 0)
        self._post("transport", record.order.id, "", (customer, -moved), (CARRIERS, moved))

    def _compensate(self, record: ContractRecord, amount: int, cause: str) -> None:
        """Pay for a contract that was given up for its customer, or for the order that took its place."""
        order_id = record.contract.order_id
        payer = self.failed if cause == PREEMPTED else order_id
        customer = participant_account(self.state.orders[payer].order.customer)
        earner = participant_account(record.contract.participant)
        contract_id = record.contract.id
        lines = ((customer, -amount), (earner, amount))
        self._post("cancellation", order_id, contract_id, *lines, detail=cause)

    def _lost(self, contract_id: str, reason: str, left_minor: int = 0) -> None:
        """Book what a contract's participant owes for losing it, but for ``left_minor`` of its payment.

        What it was paid on account for goods that do not come goes back.
        """
        rules, contested = self.state.rules.contracts, self.state.contracting.contested.get(contract_id)
        if contested is not None and reason == LATE:  # it is late because of that
            reason = contested.reason
        if reason in BREACHES:
            self._breach(contract_id, rules.breach_ppm, reason, left_minor)
            paid = self.state.contracting.paid.get(contract_id, 0)
            contract = self.state.contracts[contract_id].contract
            self._on_account(contract, -paid, reason)
            self.taken_back[contract.order_id] += paid
        elif reason.startswith(BREAKDOWN):
            self._breach(contract_id, rules.breakdown_ppm, reason, left_minor)

    def _breach(self, contract_id: str, share_ppm: int, detail: str, left_minor: int) -> None:
        record = self.state.contracts.get(contract_id)
        if record is None or record.state not in STANDING:
            return
        contract = record.contract
        amount = (contract.payment_minor - left_minor) * share_ppm // PPM
        order = self.state.orders[contract.order_id].order
        self._post(
            "breach",
            order.id,
            contract_id,
            (participant_account(contract.participant), -amount),
            (participant_account(order.customer), amount),
            detail=detail,
        )

    def _late(self, record: OrderRecord) -> None:
        """Book the order's penalty per started day after its promise, borne by those who were late.

        The promise is the first award's, or the due date if that is later. The late ones share it in
        proportion to their own delay, each up to the cap.
        """
        cap_ppm = self.state.rules.contracts.penalty_cap_ppm
        daily = record.order.terms.lateness_penalty_minor_per_day
        late_us = delivered_us(self.state, record) - max(
            record.order.terms.due_us, self.state.contracting.promised.get(record.order.id, 0)
        )
        if not cap_ppm or not daily or late_us <= 0:
            return
        total = -(-late_us // DAY_US) * daily
        delays = {
            contract_id: delay
            for contract_id in sorted(record.contracts)
            if (delay := delay_us(self.state.contracts[contract_id])) > 0
        }
        for contract_id, delay in delays.items():
            contract = self.state.contracts[contract_id].contract
            share = total * delay // sum(delays.values())
            amount = min(share, contract.payment_minor * cap_ppm // PPM)
            self._post(
                "lateness",
                record.order.id,
                contract_id,
                (participant_account(contract.participant), -amount),
                (participant_account(record.order.customer), amount),
            )

    def _post(
        self, kind: PostingKind, order_id: str, contract_id: str, *lines: tuple[str, int], detail: str = ""
    ) -> None:
        if not any(amount for _, amount in lines):
            return
        number = self.state.contracting.posted + len(self.made) + 1
        self.made.append(
            Posting(
                id=f"l-{number:08d}",
                kind=kind,
                at_us=self.now_us,
                order_id=order_id,
                contract_id=contract_id,
                lines=tuple(Line(account=account, amount_minor=amount) for account, amount in lines),
                detail=detail,
            )
        )


def delivered_us(state: State, record: OrderRecord) -> int:
    """Return when an order was delivered: as claimed, at most the grace before the market heard of it."""
    heard = max((entry.at_us for entry in record.history if entry.state == "delivered"), default=0)
    claims = [
        entry.at_us
        for contract_id in record.contracts
        for entry in state.contracts[contract_id].history
        if entry.state == "delivered"
    ]
    return max(max(claims, default=heard), heard - state.rules.contracts.report_grace_us)


def delay_us(record: ContractRecord) -> int:
    """Return how long after its promised end a contract was finished; 0 if it never was."""
    finished = [entry.at_us for entry in record.history if entry.state == "finished"]
    return max(0, finished[0] - record.contract.end_us) if finished and record.state != "ended" else 0
