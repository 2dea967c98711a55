"""A market in a few lines: the real kernel, journal and clearing, driven message by message.

Two plants, a supplier and two customers at three sites; every test changes what it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.limits import Limits
from market.clearing.result import Clearing, clearing_to_json
from market.engine.admission import HOST, OPERATOR
from market.engine.decision import Accepted, Inbound, Refusal, Repeated
from market.engine.snapshot import snapshot
from market.engine.state import ContractRecord, OrderRecord, RoundRecord, State
from market.model.commands import AdmitParticipant, Command, OpenMarket, ReportClearing
from market.model.network import Lane, Network, Site
from market.model.rules import Rules
from market.service.kernel import Handled, Kernel
from market.service.lottery import Lottery
from market.service.recovery import recover
from scenarios.simulator import SeededEntropy
from takt_sdk.codec import digest_of, encode
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.messages import (
    CancelOrder,
    Envelope,
    Milestone,
    ReportBreakdown,
    ReportMilestone,
    Role,
    SubmitOrder,
    Tick,
)
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.sheet import Bids, BidSheet, Capacities, Groups
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, PeriodGrid, Window

START_US = 20_605 * DAY_US
"""Monday, 1 June 2026, 00:00 UTC: the first period of the test market begins."""

SITES = ("bonn", "gent", "lyon")
STEEL = Requirement(process="supply", material="steel")
MILLING = Requirement(process="milling", material="steel")
PAINTING = Requirement(process="painting", material="steel")

RULES = Rules(
    takt_us=HOUR_US,
    response_us=10 * MINUTE_US,
    periods=PeriodGrid(origin_us=START_US, length_us=DAY_US),
    max_periods=60,
    transit_us=HOUR_US,
    confirm_us=DAY_US,
    acceptance_us=DAY_US,
)

NETWORK = Network(
    sites=tuple(Site(id=name, name=name.title(), country="") for name in SITES),
    lanes=tuple(
        Lane(
            source=a,
            target=b,
            distance_m=100_000,
            transit_minutes=60,
            fixed_minor=10,
            unit_minor=1,
            emissions_g=100,
            unit_emissions_g=2,
        )
        for a in SITES
        for b in SITES
        if a != b
    ),
)

MILL = ProcessPlan(
    lots=(PlannedLot(id="mill", kind="operation", requirement=MILLING, run_time_us=MINUTE_US),)
)
"""One operation."""

CHAIN = ProcessPlan(
    lots=(
        PlannedLot(id="steel", kind="material", requirement=STEEL, quantity_per_piece=2),
        PlannedLot(id="mill", kind="operation", requirement=MILLING, run_time_us=MINUTE_US),
        PlannedLot(id="paint", kind="operation", requirement=PAINTING, run_time_us=MINUTE_US),
    ),
    arcs=(PlannedArc(source="steel", target="mill"), PlannedArc(source="mill", target="paint")),
)
"""Material, then two operations."""


def terms(**changes: object) -> OrderTerms:
    """Return terms: ten pieces to Bonn, due in 10 days, 14 at the latest, for at most 10,000."""
    fields: dict[str, object] = {
        "quantity": 10,
        "destination": "bonn",
        "release_us": START_US,
        "due_us": START_US + 10 * DAY_US,
        "deadline_us": START_US + 14 * DAY_US,
        "reservation_value_minor": 10_000,
    }
    return OrderTerms(**{**fields, **changes})  # type: ignore[arg-type]


def admission(participant: str, role: Role, *, site: str = "bonn", **changes: object) -> AdmitParticipant:
    """Return an admission of a company that can do everything its role may do."""
    processes = {"plant": ("milling", "painting"), "supplier": ("supply",), "customer": ()}[role]
    fields: dict[str, object] = {
        "participant": participant,
        "roles": (role,),
        "sites": (site,),
        "qualification": Qualification(
            capabilities=tuple(Capability(process=name, materials=("any",)) for name in processes)
        ),
    }
    return AdmitParticipant(**{**fields, **changes})  # type: ignore[arg-type]


CAST = (
    admission("ada", "customer"),
    admission("bob", "customer", site="lyon"),
    admission("mill-a", "plant", site="bonn"),
    admission("mill-b", "plant", site="gent"),
    admission("steel-s", "supplier", site="lyon"),
)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One bid in a test. ``uses`` are (resource, period, fixed, per unit); days count from the start."""

    lots: Mapping[str, int]
    price: int = 0
    unit: int = 0
    least: int = 0
    days: tuple[float, float] = (1, 2)
    site: str | None = None
    uses: tuple[tuple[str, int, int, int], ...] = ()
    groups: tuple[str, ...] = ()
    emissions_g: int = 0


def sheet(
    round_id: str,
    offers: Mapping[str, Offer],
    *,
    site: str,
    capacity: Mapping[tuple[str, int], int] | None = None,
    groups: Mapping[str, tuple[int | None, int]] | None = None,
    expires_us: int = START_US + 300 * DAY_US,
    stands_by: bool = False,
) -> BidSheet:
    """Return a sheet of named offers; ``groups`` are name → (most accepted, fixed price)."""
    rows = {} if capacity is None else dict(capacity)
    for offer in offers.values():
        for resource, period, _, _ in offer.uses:
            rows.setdefault((resource, period), 480)
    row_of = {key: index for index, key in enumerate(rows)}
    sets = {} if groups is None else dict(groups)
    group_of = {name: index for index, name in enumerate(sets)}
    given = list(offers.values())

    def offsets(counts: Sequence[int]) -> tuple[int, ...]:
        return tuple(sum(counts[:index]) for index in range(len(counts) + 1))

    return BidSheet(
        round_id=round_id,
        expires_us=expires_us,
        stands_by=stands_by,
        capacities=Capacities(
            resource=tuple(r for r, _ in rows),
            period=tuple(p for _, p in rows),
            available=tuple(rows.values()),
        ),
        bids=Bids(
            id=tuple(offers),
            site=tuple(offer.site or site for offer in given),
            start_us=tuple(START_US + int(offer.days[0] * DAY_US) for offer in given),
            end_us=tuple(START_US + int(offer.days[1] * DAY_US) for offer in given),
            fixed_price_minor=tuple(offer.price for offer in given),
            unit_price_minor=tuple(offer.unit for offer in given),
            min_quantity=tuple(offer.least for offer in given),
            emissions_g=tuple(offer.emissions_g for offer in given),
            item_offset=offsets([len(offer.lots) for offer in given]),
            item_lot=tuple(lot for offer in given for lot in offer.lots),
            item_quantity=tuple(q for offer in given for q in offer.lots.values()),
            use_offset=offsets([len(offer.uses) for offer in given]),
            use_capacity=tuple(row_of[r, p] for offer in given for r, p, _, _ in offer.uses),
            use_fixed=tuple(fixed for offer in given for _, _, fixed, _ in offer.uses),
            use_per_unit=tuple(unit for offer in given for _, _, _, unit in offer.uses),
            group_offset=offsets([len(offer.groups) for offer in given]),
            group_index=tuple(group_of[name] for offer in given for name in offer.groups),
        ),
        groups=Groups(
            id=tuple(sets),
            max_accepted=tuple(limit for limit, _ in sets.values()),
            fixed_price_minor=tuple(price for _, price in sets.values()),
        ),
    )


class Market:
    """The kernel and its journal, with a clock that the test moves."""

    def __init__(
        self, *, rules: Rules = RULES, network: Network = NETWORK, cast: Sequence[AdmitParticipant] = CAST
    ) -> None:
        self.journal = MemoryJournal(entropy=SeededEntropy(1))
        self.kernel = Kernel(State())
        self.now_us = START_US
        self.lottery = Lottery(b"")
        self.handled: list[Handled] = []
        self.accept(OPERATOR, OpenMarket(market="test", rules=rules, network=network, seed=7))
        for known in cast:
            self.accept(OPERATOR, known)

    @property
    def state(self) -> State:
        return self.kernel.state

    @property
    def round(self) -> RoundRecord:
        """The newest round."""
        return list(self.state.rounds.values())[-1]

    def order_of(self, name: str) -> OrderRecord:
        """Return an order of Ada's or Bob's by its key."""
        return next(o for o in self.state.orders.values() if o.idempotency_key == name)

    def lot(self, key: str, name: str) -> str:
        """Return the id of a lot of an order."""
        return f"{self.order_of(key).order.id}.{name}"

    def contract_of(self, participant: str) -> ContractRecord:
        """Return the newest contract of a participant."""
        return [c for c in self.state.contracts.values() if c.contract.participant == participant][-1]

    # --- messages ----------------------------------------------------------------------------

    def handle(
        self, sender: str, body: Command, *, sequence: int = 0, signed_by: str | None = None
    ) -> Handled:
        """Put a message before the kernel and store what it decides."""
        envelope = Envelope(
            message_id=f"t-{self.state.size}",
            correlation_id="",
            causation_id="",
            sender=sender,
            sequence=sequence,
            occurred_us=self.now_us,
            body=body,
        )
        inbound = Inbound(
            sender=sender, sequence=sequence, digest=digest_of(body), body=body, signed_by=signed_by
        )
        handled = self.kernel.handle(inbound, self.now_us, source="test", raw=encode(envelope))
        if handled.decided is not None:
            self.journal.append([handled.decided])
        self.handled.append(handled)
        return handled

    def reply(self, sender: str, body: Command, *, sequence: int = 0) -> Accepted | Repeated | Refusal:
        """Return what a message is answered."""
        return self.handle(sender, body, sequence=sequence).decision.reply

    def accept(self, sender: str, body: Command, *, sequence: int = 0) -> Handled:
        """Send a message that must be accepted."""
        handled = self.handle(sender, body, sequence=sequence)
        assert isinstance(handled.decision.reply, Accepted), handled.decision.reply
        return handled

    def refuse(self, sender: str, body: Command, *, sequence: int = 0) -> Refusal:
        """Send a message that must be refused and change nothing."""
        size = self.state.size
        reply = self.reply(sender, body, sequence=sequence)
        assert isinstance(reply, Refusal), reply
        assert self.state.size == size
        return reply

    def restart(self) -> None:
        """Forget everything but the journal."""
        self.kernel = Kernel(recover(self.journal))

    # --- what happens ------------------------------------------------------------------------

    def order(
        self, key: str = "o1", *, customer: str = "ada", plan: ProcessPlan = MILL, **changes: object
    ) -> str:
        """Submit an order with its plan inline; return its id."""
        reply = self.accept(customer, submission(key, plan=plan, **changes)).decision.reply
        assert isinstance(reply, Accepted)
        return reply.subject_id

    def tick(self, now_us: int | None = None) -> None:
        """Let time pass until nothing is due any more."""
        self.now_us = max(self.now_us, self.now_us if now_us is None else now_us)
        while True:
            commitment = self.lottery.next_commitment(self.state)
            if not self.accept(HOST, Tick(now_us=self.now_us, seed_commitment=commitment)).events:
                return

    def days(self, days: float) -> None:
        """Let time reach so many days after the start."""
        self.tick(START_US + int(days * DAY_US))

    def bid(
        self,
        participant: str,
        offers: Mapping[str, Offer],
        *,
        sequence: int = 1,
        capacity: Mapping[tuple[str, int], int] | None = None,
        groups: Mapping[str, tuple[int | None, int]] | None = None,
        expires_us: int = START_US + 300 * DAY_US,
        stands_by: bool = False,
    ) -> None:
        """Answer the open call of a participant."""
        answer = sheet(
            self.round.id,
            offers,
            site=self.state.participants[participant].admission.sites[0],
            capacity=capacity,
            groups=groups,
            expires_us=expires_us,
            stands_by=stands_by,
        )
        self.accept(participant, answer, sequence=sequence)

    def close(self) -> None:
        """Let the deadline of the open round pass, if it has not closed early."""
        if self.round.state == "open":
            self.tick(self.round.deadline_us)

    def solve(self) -> tuple[Clearing, ReportClearing]:
        """Clear the closed round outside the engine; return the answer and the message that reports it."""
        round_ = self.round
        seed = self.lottery.seed(self.state, round_.number, b"")
        problem = snapshot(self.state, round_, seed)
        clearing = clear(problem, solver=PulpSolver(), limits=Limits(work=10_000), clock=ManualClock(0))
        return clearing, self.report_of(clearing)

    def report_of(self, clearing: Clearing) -> ReportClearing:
        """Return the message that reports an answer to the newest round."""
        return ReportClearing(
            round_id=self.round.id,
            secret=self.lottery.secret(self.state, self.round.number),
            seed=self.lottery.seed(self.state, self.round.number, b""),
            result=clearing_to_json(clearing).decode(),
        )

    def clear(self) -> Clearing:
        """Close and clear the newest round; return the answer."""
        self.close()
        clearing, report = self.solve()
        self.accept(HOST, report)
        return clearing

    def report(
        self, participant: str, *milestones: Milestone, quantity: int = 0, expected_end_us: int | None = None
    ) -> None:
        """Report milestones of a participant's newest contract."""
        known = self.contract_of(participant)
        for milestone in milestones:
            self.accept(
                participant,
                milestone_of(known, milestone, self.now_us, quantity, expected_end_us),
                sequence=max(known.reports, default=0) + 1,
            )

    def break_down(self, participant: str, resource: str, days: tuple[float, float]) -> Handled:
        """Report a breakdown over days after the start."""
        return self.accept(participant, breakdown(resource, days))


def submission(key: str = "o1", *, plan: ProcessPlan | None = MILL, **changes: object) -> SubmitOrder:
    """Return an order; changes are of its terms."""
    return SubmitOrder(idempotency_key=key, part_id="part", terms=terms(**changes), plan=plan)


def cancellation(order: str) -> CancelOrder:
    """Return the cancellation of an order."""
    return CancelOrder(order_id=order)


def milestone_of(
    known: ContractRecord,
    milestone: Milestone,
    at_us: int,
    quantity: int = 0,
    expected_end_us: int | None = None,
) -> ReportMilestone:
    """Return a report on a contract."""
    return ReportMilestone(
        contract_id=known.contract.id,
        milestone=milestone,
        at_us=at_us,
        quantity=quantity,
        expected_end_us=expected_end_us,
    )


def breakdown(resource: str, days: tuple[float, float], notice_id: str = "n1") -> ReportBreakdown:
    """Return the report of a breakdown over days after the start."""
    window = Window(start_us=START_US + int(days[0] * DAY_US), end_us=START_US + int(days[1] * DAY_US))
    return ReportBreakdown(notice_id=notice_id, resource=resource, window=window)
