"""A finished run as the metrics see it, and what a metric is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from agents.profile import PlantProfile, SupplierProfile
from market.clearing.result import Clearing
from market.engine.state import ContractRecord, OrderRecord, State
from scenarios.measure import Record
from scenarios.mechanisms import PRICED
from scenarios.population import Population
from scenarios.study.arrivals import Arrivals
from scenarios.study.effort import Effort

GRAMS_PER_TONNE = 1_000_000
PERCENT = 100.0
SERVED_STATES = frozenset(
    {"confirmed", "in_production", "at_risk", "reallocating", "shipped", "delivered", "settled"}
)


@dataclass(frozen=True)
class Run:
    """A finished run and what its sellers alone know: the cost of each contract."""

    population: Population
    state: State
    record: Record
    costs_minor: Mapping[str, int]
    efforts: Mapping[str, Effort] = field(default_factory=dict)
    """What each contract took of a plant's machines."""

    @cached_property
    def served(self) -> list[OrderRecord]:
        """Orders of which pieces were or will be delivered, by id."""
        orders = (self.state.orders[name] for name in sorted(self.state.orders))
        return [order for order in orders if order.pieces and order.state in SERVED_STATES]

    @cached_property
    def lasting(self) -> list[ContractRecord]:
        """Contracts that were not ended, of orders that were served, by id."""
        kept = {name for order in self.served for name in order.contracts}
        contracts = (self.state.contracts[name] for name in sorted(self.state.contracts))
        return [known for known in contracts if known.state != "ended" and known.contract.id in kept]

    @cached_property
    def arrivals(self) -> Arrivals:
        """When the goods of orders were there."""
        return Arrivals(self.population, self.state)

    @cached_property
    def clearings(self) -> list[Clearing]:
        """Clearings that counted, in order: those that only told prices are left out."""
        rounds = [self.state.rounds[name] for name in sorted(self.state.rounds)]
        pairs = zip(rounds, self.record.cleared, strict=False)
        return [clearing for round_, (_, clearing) in pairs if round_.state != "priced"]

    @cached_property
    def unpaid_takts(self) -> int:
        """Clearings that are worth something and awarded nothing, since the rule found no payments."""
        if self.population.rules.mechanism not in PRICED:
            return 0
        rounds = (round_ for round_ in self.state.rounds.values() if round_.state != "priced")
        return sum(1 for round_ in rounds if (round_.objective or 0) > 0 and not round_.served)

    @cached_property
    def value_minor(self) -> int:
        """Reservation values of what was served."""
        return sum(
            order.order.terms.reservation_value_minor * order.pieces // order.order.terms.quantity
            for order in self.served
        )

    @cached_property
    def cost_minor(self) -> int:
        """True cost of the contracts that last."""
        return sum(self.costs_minor.get(known.contract.id, 0) for known in self.lasting)

    @cached_property
    def payments_minor(self) -> int:
        """What sellers get."""
        return sum(known.contract.payment_minor for known in self.lasting)

    @cached_property
    def transport_minor(self) -> int:
        """Cost of carrying goods."""
        return sum(s.cost_minor for known in self.lasting for s in known.contract.shipments)

    @cached_property
    def emissions_g(self) -> int:
        """CO2e of production and transport."""
        return sum(
            known.contract.emissions_g + sum(s.emissions_g for s in known.contract.shipments)
            for known in self.lasting
        )

    @cached_property
    def charges_minor(self) -> int:
        """What customers pay."""
        return sum(order.charge_minor or 0 for order in self.served)

    @cached_property
    def welfare_minor(self) -> int:
        """Value served less true cost, transport and weighted emissions."""
        weight = self.population.rules.emissions_minor_per_tonne
        emitted = self.emissions_g * weight // GRAMS_PER_TONNE
        return self.value_minor - self.cost_minor - self.transport_minor - emitted

    @cached_property
    def profits_minor(self) -> dict[str, int]:
        """Payments less true cost by seller, of those that won anything."""
        profits: Counter[str] = Counter()
        for known in self.lasting:
            paid = known.contract.payment_minor - self.costs_minor.get(known.contract.id, 0)
            profits[known.contract.participant] += paid
        return profits

    @cached_property
    def turnover(self) -> dict[str, int]:
        """Payments by seller, those of false names to their owner; sellers without any included."""
        sellers = {
            profile.participant.partition("-alias-")[0]: 0
            for profile in self.population.profiles
            if isinstance(profile, PlantProfile | SupplierProfile)
        }
        for known in self.lasting:
            sellers[known.contract.participant.partition("-alias-")[0]] += known.contract.payment_minor
        return sellers


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A column: its unit, its formula in words, and how it is computed; None where it has no value."""

    unit: str
    formula: str
    of: Callable[[Run], float | None]


def share(part: float, whole: float) -> float | None:
    """Return a part in per cent of the whole; None of nothing."""
    return PERCENT * part / whole if whole else None
