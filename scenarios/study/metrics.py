"""What a run is worth, in figures with units: the columns of every study's table.

Each metric is a function of the run's end; `METRICS` holds them with unit and formula, from which
docs/research.md's table is made. Shares and ratios are per cent or numbers, money is minor units.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from agents.profile import PlantProfile
from scenarios.study.disruption import DISRUPTION_METRICS
from scenarios.study.oee import OEE_METRICS
from scenarios.study.run import PERCENT, Metric, Run, share
from takt_sdk.model.values import DAY_US, HOUR_US


def _fill_rate(run: Run) -> float | None:
    return share(len(run.served), len(run.state.orders))


def _piece_fill_rate(run: Run) -> float | None:
    wanted = sum(order.order.terms.quantity for order in run.state.orders.values())
    return share(sum(order.pieces for order in run.served), wanted)


def _tardiness(run: Run) -> float | None:
    if not run.served:
        return None
    late = [max(0, (o.promised_us or 0) - o.order.terms.due_us) / DAY_US for o in run.served]
    return float(np.mean(late))


def _on_time(run: Run) -> float | None:
    return share(sum(1 for o in run.served if (o.promised_us or 0) <= o.order.terms.due_us), len(run.served))


def _lead_time(run: Run) -> float | None:
    if not run.served:
        return None
    return float(np.mean([((o.promised_us or 0) - o.submitted_us) / DAY_US for o in run.served]))


def _use(run: Run) -> tuple[int, int]:
    """Return minutes of work centres taken, and open from the start to the last promise."""
    plants = [p for p in run.population.profiles if isinstance(p, PlantProfile)]
    ends = [known.contract.end_us for known in run.lasting]
    if not ends:
        return 0, 0
    weeks = (max(ends) - run.population.start_us) / (7 * DAY_US)
    weekly = sum(
        centre.machines * sum((s.end_minute - s.start_minute) * len(s.weekdays) for s in centre.shifts)
        for plant in plants
        for centre in plant.work_centres
    )
    names = {plant.participant for plant in plants}
    used = sum(u.amount for k in run.lasting if k.contract.participant in names for u in k.contract.uses)
    return used, int(weekly * weeks)


def _capacity_use(run: Run) -> float | None:
    return share(*_use(run))


def _run_share(run: Run) -> float | None:
    """Return run time as a share of the minutes taken: what set-ups leave of it."""
    used, _ = _use(run)
    wanted = 0
    for known in run.lasting:
        lots = {lot.id: lot for lot in run.state.orders[known.contract.order_id].order.lots}
        wanted += sum(item.quantity * lots[item.lot_id].run_time_us for item in known.contract.items)
    return share(wanted / HOUR_US * 60, used)


def _price_dispersion(run: Run) -> float | None:
    prices: dict[str, list[float]] = defaultdict(list)
    for order in run.served:
        prices[order.order.part_id].append((order.charge_minor or 0) / order.pieces)
    spreads = [float(np.std(p) / np.mean(p)) for p in prices.values() if len(p) > 1 and np.mean(p) > 0]
    return PERCENT * float(np.mean(spreads)) if spreads else None


def _hhi(run: Run) -> float | None:
    total = sum(run.turnover.values())
    return sum((PERCENT * paid / total) ** 2 for paid in run.turnover.values()) if total else None


def _gini(run: Run) -> float | None:
    paid = np.sort(np.array(list(run.turnover.values()), dtype=float))
    if not paid.sum():
        return None
    rank = np.arange(1, len(paid) + 1)
    return float((2 * rank - len(paid) - 1) @ paid / (len(paid) * paid.sum()))


def _losing_sellers(run: Run) -> float:
    """Return how many sellers were paid less than their contracts cost them."""
    return float(sum(1 for earned in run.profits_minor.values() if earned < 0))


def _overcharged(run: Run) -> float:
    """Return how many orders cost their customers more than the pieces served are worth to them."""
    return float(
        sum(
            1
            for order in run.served
            if (order.charge_minor or 0) * order.order.terms.quantity
            > order.order.terms.reservation_value_minor * order.pieces
        )
    )


def _order_by_order(run: Run) -> float | None:
    joint = sum(clearing.objective or 0 for clearing in run.clearings)
    alone = sum(clearing.greedy_objective or 0 for clearing in run.clearings)
    return share(joint - alone, alone)


def _gap(run: Run) -> float | None:
    bounds = [clearing.bound for clearing in run.clearings]
    objective = sum(clearing.objective or 0 for clearing in run.clearings)
    if None in bounds or not objective:
        return None
    return PERCENT * (sum(b for b in bounds if b is not None) - objective) / abs(objective)


def _per_order(count: Callable[[Run], float]) -> Callable[[Run], float | None]:
    return lambda run: count(run) / len(run.state.orders) if run.state.orders else None


METRICS: Mapping[str, Metric] = {
    "orders": Metric(unit="orders", formula="orders submitted", of=lambda run: float(len(run.state.orders))),
    "served": Metric(
        unit="orders", formula="orders of which pieces are delivered", of=lambda run: len(run.served)
    ),
    "fill_rate": Metric(unit="%", formula="served / orders", of=_fill_rate),
    "piece_fill_rate": Metric(unit="%", formula="pieces delivered / pieces ordered", of=_piece_fill_rate),
    "welfare": Metric(
        unit="minor",
        formula="reservation values served − true cost of production − transport − weight × emissions",
        of=lambda run: run.welfare_minor,
    ),
    "value": Metric(unit="minor", formula="reservation values served", of=lambda run: run.value_minor),
    "production_cost": Metric(
        unit="minor", formula="sellers' own cost of their contracts", of=lambda run: run.cost_minor
    ),
    "payments": Metric(unit="minor", formula="paid to sellers", of=lambda run: run.payments_minor),
    "charges": Metric(unit="minor", formula="paid by customers", of=lambda run: run.charges_minor),
    "transport": Metric(unit="minor", formula="cost of shipments", of=lambda run: run.transport_minor),
    "buyer_surplus": Metric(
        unit="minor", formula="value − charges", of=lambda run: run.value_minor - run.charges_minor
    ),
    "seller_surplus": Metric(
        unit="minor", formula="payments − production cost", of=lambda run: run.payments_minor - run.cost_minor
    ),
    "budget_balance": Metric(
        unit="minor",
        formula="charges − payments − transport; 0 or more: the market needs no subsidy",
        of=lambda run: run.charges_minor - run.payments_minor - run.transport_minor,
    ),
    "losing_sellers": Metric(
        unit="sellers", formula="sellers whose payments are below their cost", of=_losing_sellers
    ),
    "overcharged": Metric(
        unit="orders", formula="orders whose charge is above their reservation value", of=_overcharged
    ),
    "tardiness": Metric(
        unit="days", formula="mean of max(0, promise − due date) over orders served", of=_tardiness
    ),
    "on_time": Metric(unit="%", formula="orders promised by their due date / served", of=_on_time),
    "lead_time": Metric(
        unit="days", formula="mean of promise − submission over orders served", of=_lead_time
    ),
    "capacity_use": Metric(
        unit="%",
        formula="machine minutes of contracts / all shift minutes until the last promise",
        of=_capacity_use,
    ),
    "run_share": Metric(
        unit="%",
        formula="planned run time / machine minutes of contracts: what set-ups leave",
        of=_run_share,
    ),
    "price_dispersion": Metric(
        unit="%",
        formula="mean over parts of standard deviation / mean of the charge per piece",
        of=_price_dispersion,
    ),
    "hhi": Metric(unit="0–10,000", formula="Σ (100 × seller's share of payments)²", of=_hhi),
    "gini": Metric(unit="0–1", formula="Gini coefficient of payments over all sellers", of=_gini),
    "emissions": Metric(
        unit="g CO2e", formula="production and transport of contracts", of=lambda run: run.emissions_g
    ),
    "messages_per_order": Metric(
        unit="messages",
        formula="messages between companies and market / orders",
        of=_per_order(lambda run: float(sum(run.record.messages.values()))),
    ),
    "bytes_per_order": Metric(
        unit="bytes",
        formula="bytes of those messages' bodies, signatures not counted / orders",
        of=_per_order(lambda run: float(run.record.message_bytes)),
    ),
    "joint_gain": Metric(
        unit="%",
        formula="(Σ objective − Σ order-by-order objective, same bids) / the latter",
        of=_order_by_order,
    ),
    "clearing_gap": Metric(unit="%", formula="(Σ bound − Σ objective) / Σ objective over takts", of=_gap),
    "takts": Metric(unit="takts", formula="clearings that could award", of=lambda run: len(run.clearings)),
    "unpaid_takts": Metric(
        unit="takts",
        formula="clearings with winners for whom the mechanism found no payments: they awarded nothing",
        of=lambda run: float(run.unpaid_takts),
    ),
    **OEE_METRICS,
    **DISRUPTION_METRICS,
}


def measured(run: Run) -> dict[str, float | None]:
    """Return every metric of a run."""
    return {name: metric.of(run) for name, metric in METRICS.items()}
