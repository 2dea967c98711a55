"""The problem that a closed round poses: an immutable snapshot for the solver, outside the writer.

Local ids of a participant are prefixed with its own (``plant-a/b1``). Contracts of earlier rounds
that still stand come in as bids without price (``plant-a/=c-...``), so that transport is planned for
the whole order. Times are whole minutes since the call, rounded so that nothing is promised too
tight. Pure: the same state and seed give the same problem, whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import le

from market.clearing.documents.problem_builder import ProblemBuilder
from market.clearing.problem import NO_TIME, NONE, Problem
from market.engine.columns import appended, counts_of, elements, places, spread
from market.engine.goods import KEPT, kept_of, pieces, sunk_minor
from market.engine.partly_done import settled_minor
from market.engine.posterior import expected_lateness_minor, prior_late_ppm
from market.engine.rounds import demand
from market.engine.state import OrderRecord, RoundRecord, State
from market.engine.ways import Hurry, hurried, ways
from market.model.order import Order
from market.model.rules import Rules
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, MINUTE_US

PPM = 1_000_000
LATEST_US = 2**62
"""When work that has begun at the latest begins: nothing is too late for it."""


def fee_minor(rules: Rules, cost_minor: int) -> int:
    """Return the platform fee on a cost, rounded down."""
    return cost_minor * rules.fee_ppm // PPM


def cleared_orders(state: State, round_: RoundRecord) -> list[OrderRecord]:
    """Return the orders of a round that are still to be cleared, by id."""
    records = (state.orders[order_id] for order_id in round_.orders)
    return [record for record in records if record.state in {"clearing", "reallocating"}]


def order_value(state: State, round_: RoundRecord, record: OrderRecord) -> int:
    """Return what serving the order is worth: its reservation value less fee and what is owed already.

    An order that is already served in part is worth its part.
    """
    limit = record.order.terms.reservation_value_minor * PPM // (PPM + state.rules.fee_ppm)
    kept = kept_of(round_, record)
    if kept:
        limit = limit * record.pieces // record.order.terms.quantity
    owed = sum(settled_minor(one) for one in kept)
    return max(0, limit - owed - sunk_minor(state, record.order.id))


def snapshot(state: State, round_: RoundRecord, seed: int) -> Problem:
    """Return the problem of a closed round; the same one until something that it is made of changes."""
    made_of = (
        round_.id,
        round_.close_position,
        seed,
        state.rules,
        state.network,
        [(record.order, record.state, record.pieces) for record in cleared_orders(state, round_)],
        dict(round_.answers),
    )
    known: tuple[object, Problem] | None = state.index.problem
    if known is None or known[0] != made_of:
        known = state.index.problem = (made_of, _Snapshot(state, round_).problem(seed))
    return known[1]


class _Snapshot:
    """Builds one problem; the methods stand in the order of the file format."""

    def __init__(self, state: State, round_: RoundRecord) -> None:
        self.state, self.round = state, round_
        self.builder = ProblemBuilder()
        self.records = cleared_orders(state, round_)
        self.lot_index: dict[str, int] = {}
        self.final_lots: dict[str, Order] = {}
        self.places: set[tuple[str, str]] = set()
        """Which lots could be where, as (lot, site)."""
        self.latest_end_us = _LatestEnds(self)
        self.lateness: dict[str, tuple[str, int]] = {
            lot.id: (lot.requirement.process, record.order.terms.lateness_penalty_minor_per_day)
            for record in self.records
            for lot in record.order.lots
        }
        self.ways = ways(state.network)
        self.transit_us: dict[tuple[str, str], int] = {}
        self.hurry: Hurry | None = None
        rules = state.rules
        self.scored = bool(
            rules.emissions_minor_per_tonne
            or rules.contracts.reliability_weight_ppm
            or any(record.order.terms.lateness_penalty_minor_per_day for record in self.records)
        )

    def problem(self, seed: int) -> Problem:
        self.add_orders()
        if self.state.rules.contracts.hurry:
            self.hurry = self._hurry()
        for record in self.records:
            self.add_kept(record)
        for participant in sorted(self.round.answers):
            sheet = self.round.answers[participant].sheet
            if sheet is not None:
                self.add_sheet(participant, sheet)
        self.add_transport()
        rules = self.state.rules
        # A contract that stands keeps its payment, which rules that pay more than prices would change.
        agreed = any(kept_of(self.round, record) for record in self.records)
        mechanism = "pay_as_bid" if agreed and rules.mechanism != "greedy" else rules.mechanism
        if rules.contracts.reallocation == "greedy" and any(r.state == "reallocating" for r in self.records):
            mechanism = "greedy"
        return self.builder.build(currency=rules.currency, mechanism=mechanism, seed=seed)

    def minutes(self, times_us: Iterable[int], *, up: bool) -> list[int]:
        origin = self.round.opened_us - (MINUTE_US - 1 if up else 0)
        return [(time_us - origin) // MINUTE_US for time_us in times_us]

    def add_orders(self) -> None:
        for record in self.records:
            order, terms = record.order, record.order.terms
            kept = bool(kept_of(self.round, record))
            local = {lot.id: index for index, lot in enumerate(order.lots)}
            first = len(self.builder.lot_ids)
            self.lot_index |= {lot: first + index for lot, index in local.items()}
            final = next(arc.source for arc in order.arcs if arc.target is None)
            self.final_lots[final] = order
            destination = self.builder.site(terms.destination)
            self.builder.add_orders(
                (order.id,),
                value=(order_value(self.state, self.round, record),),
                must_serve=(False,),
                partial=(terms.partial and not kept,),
                max_suppliers=(NONE if terms.max_suppliers is None else terms.max_suppliers,),
                lot_counts=(len(order.lots),),
                lot_ids=tuple(local),
                lot_quantity=[demand(record, lot, kept=kept) for lot in order.lots],
                arc_counts=(len(order.arcs),),
                arc_ids=[arc.id for arc in order.arcs],
                arc_from=[first + local[arc.source] for arc in order.arcs],
                arc_to=[NONE if arc.target is None else first + local[arc.target] for arc in order.arcs],
                arc_site=[destination if arc.target is None else NONE for arc in order.arcs],
            )

    def add_kept(self, record: OrderRecord) -> None:
        for piece in pieces(self.state, self.round, record):
            contract, terms = piece.contract, record.order.terms
            cost = 0
            if piece.late_minor is not None and any(item.lot_id in self.final_lots for item in piece.items):
                arrival_us = self._arrival_us(piece.site, piece.end_us, record.order)
                if arrival_us > terms.deadline_us:
                    continue
                cost = -(-max(0, arrival_us - terms.due_us) // DAY_US) * terms.lateness_penalty_minor_per_day
            site = self._from(piece.site, piece.end_us, [item.lot_id for item in piece.items])
            start = NO_TIME if piece.start_us is None else self.minutes((piece.start_us,), up=False)[0]
            self.builder.add_bids(
                (f"{contract.participant}/{piece.local_id}",),
                bidder=self.builder.bidder(contract.participant),
                site=self.builder.site(site),
                item_counts=(len(piece.items),),
                item_lot=[self.lot_index[item.lot_id] for item in piece.items],
                item_quantity=[item.quantity for item in piece.items],
                divisible=(False,),
                min_quantity=(0,),
                fixed_price=(piece.late_minor or 0,),
                unit_price=(0,),
                score=(-min(cost, self.state.rules.max_price_minor),),
                start=(start,),
                end=self.minutes((piece.end_us,), up=True),
                use_counts=(0,),
            )
            self.places.update((item.lot_id, site) for item in piece.items)

    def add_sheet(self, participant: str, sheet: BidSheet) -> None:
        bids, capacities, groups = sheet.bids, sheet.capacities, sheet.groups
        kept = self._eligible_bids(sheet)
        if not kept:
            return
        resource = self.builder.add_resources(
            [f"{participant}/{r}/{p}" for r, p in zip(capacities.resource, capacities.period, strict=True)],
            capacities.available,
        )
        group = self.builder.add_groups(
            [f"{participant}/{name}" for name in groups.id],
            max_accepted=[NONE if limit is None else limit for limit in groups.max_accepted],
            fixed_price=groups.fixed_price_minor,
        )
        items = places(bids.item_offset, kept)
        lots = elements(bids.item_lot, items)
        sites = elements(bids.site, kept)
        if self.hurry is not None:
            sites = [self._from(bids.site[k], bids.end_us[k], _lots(sheet, k)) for k in kept]
        place = {site: self.builder.site(site) for site in dict.fromkeys(sites)}
        counts = counts_of(bids.item_offset, kept)
        self.builder.add_bids(
            [f"{participant}/{name}" for name in elements(bids.id, kept)],
            bidder=self.builder.bidder(participant),
            site=[place[site] for site in sites],
            item_counts=counts,
            item_lot=[self.lot_index[lot] for lot in lots],
            item_quantity=elements(bids.item_quantity, items),
            divisible=[least > 0 for least in elements(bids.min_quantity, kept)],
            min_quantity=elements(bids.min_quantity, kept),
            fixed_price=elements(bids.fixed_price_minor, kept),
            unit_price=elements(bids.unit_price_minor, kept),
            score=[self._score(participant, sheet, k) for k in kept] if self.scored else [0] * len(kept),
            start=self.minutes(elements(bids.start_us, kept), up=False),
            end=self.minutes(elements(bids.end_us, kept), up=True),
            **self._uses(participant, sheet, kept, resource),
            group_counts=counts_of(bids.group_offset, kept),
            groups=[group + index for index in elements(bids.group_index, places(bids.group_offset, kept))],
        )
        self.places.update(zip(lots, spread(sites, counts, len(lots)), strict=True))

    def _uses(
        self, participant: str, sheet: BidSheet, kept: Sequence[int], resource: int
    ) -> dict[str, list[int]]:
        """Return the columns of what bids use; what a newcomer may win is a capacity in money."""
        bids = sheet.bids
        uses = places(bids.use_offset, kept)
        counts = counts_of(bids.use_offset, kept)
        resources = [resource + index for index in elements(bids.use_capacity, uses)]
        fixed, unit = list(elements(bids.use_fixed, uses)), list(elements(bids.use_per_unit, uses))
        left = self.state.contracting.closed_probation.get(participant)
        if left is not None:
            money = self.builder.add_resources([f"{participant}/{KEPT}probation/0"], [left])
            resources = appended(counts, resources, [money] * len(kept))
            fixed = appended(counts, fixed, elements(bids.fixed_price_minor, kept))
            unit = appended(counts, unit, elements(bids.unit_price_minor, kept))
            counts = [count + 1 for count in counts]
        return {"use_counts": counts, "use_resource": resources, "use_fixed": fixed, "use_unit": unit}

    def _eligible_bids(self, sheet: BidSheet) -> Sequence[int]:
        """Return the bids on orders still in the round whose goods can arrive by the deadline."""
        bids, final = sheet.bids, self.final_lots
        if self.hurry is None:
            lots, counts = bids.item_lot, counts_of(bids.item_offset, range(len(bids)))
            pairs = zip(lots, spread(bids.site, counts, len(lots)), strict=True)
            ends_us = spread(bids.end_us, counts, len(lots))
            if all(map(le, ends_us, map(self.latest_end_us.__getitem__, pairs))):
                return range(len(bids))
        eligible = []
        for k, (site, end_us) in enumerate(zip(bids.site, bids.end_us, strict=True)):
            for lot in bids.item_lot[bids.item_offset[k] : bids.item_offset[k + 1]]:
                if lot not in self.lot_index:
                    break
                order = final.get(lot)
                if order is not None and self._arrival_us(site, end_us, order) > order.terms.deadline_us:
                    break
            else:
                eligible.append(k)
        return eligible if len(eligible) < len(bids) else range(len(bids))

    def _hurry(self) -> Hurry:
        """Return what tells which goods must hurry, from all that could take them."""
        fed: dict[str, list[str]] = {}
        for record in self.records:
            for arc in record.order.arcs:
                if arc.target is not None:
                    fed.setdefault(arc.source, []).append(arc.target)
        starts: dict[str, dict[str, int]] = {target: {} for targets in fed.values() for target in targets}
        for record in self.records:
            for piece in pieces(self.state, self.round, record):
                for item in piece.items:
                    if item.lot_id in starts:
                        begun = piece.start_us is None
                        _keep_latest(
                            starts[item.lot_id], piece.site, LATEST_US if begun else piece.start_us or 0
                        )
        for answer in self.round.answers.values():
            if answer.sheet is not None:
                bids = answer.sheet.bids
                for k in range(len(bids)):
                    for lot in _lots(answer.sheet, k):
                        if lot in starts:
                            _keep_latest(starts[lot], bids.site[k], bids.start_us[k])
        return Hurry(
            ways=self.ways,
            opened_us=self.round.opened_us,
            final=self.final_lots,
            fed=fed,
            starts_us=starts,
        )

    def _from(self, site: str, end_us: int, lots: Iterable[str]) -> str:
        """Return where goods start from in the problem."""
        return hurried(site) if self.hurry is not None and self.hurry.needed(site, end_us, lots) else site

    def _arrival_us(self, site: str, end_us: int, order: Order) -> int:
        if self.hurry is not None:
            return self.hurry.arrival_us(site, end_us, order)
        return end_us + self.transit(site, order.terms.destination)

    def transit(self, site: str, destination: str) -> int:
        """Return what moving from a site to another takes, in microseconds; 0 where no way leads there."""
        pair = (site, destination)
        transit_us = self.transit_us.get(pair)
        if transit_us is None:
            route = self.ways.cheapest.route(*pair)
            transit_us = 0 if route is None else route.transit_minutes * MINUTE_US
            self.transit_us[pair] = transit_us
        return transit_us

    def _score(self, participant: str, sheet: BidSheet, k: int) -> int:
        """Return what a bid's emissions and its lateness take from the objective, rounded against it.

        Lateness is what the bid promises, and what its bidder's record adds to it. At most what any
        order may be worth: more could only make the sums too large to clear.
        """
        bids, rules = sheet.bids, self.state.rules
        cost = -(-bids.emissions_g[k] * rules.emissions_minor_per_tonne // PPM)
        for lot in bids.item_lot[bids.item_offset[k] : bids.item_offset[k + 1]]:
            order = self.final_lots.get(lot)
            if order is not None and order.terms.lateness_penalty_minor_per_day:
                late_us = max(0, self._arrival_us(bids.site[k], bids.end_us[k], order) - order.terms.due_us)
                cost += -(-late_us // DAY_US) * order.terms.lateness_penalty_minor_per_day
        cost += self._expected_lateness(participant, sheet, k)
        return -min(cost, rules.max_price_minor)

    def _expected_lateness(self, participant: str, sheet: BidSheet, k: int) -> int:
        """Return the expected cost of a bid's unreliability: of its least reliable process, once."""
        if not self.state.rules.contracts.reliability_weight_ppm:
            return 0
        bids = sheet.bids
        known = self.state.contracting.closed_late_ppm.get(participant, {})
        worst = daily = 0
        for lot_id in bids.item_lot[bids.item_offset[k] : bids.item_offset[k + 1]]:
            process, daily = self.lateness[lot_id]
            worst = max(worst, known.get(process, prior_late_ppm(self.state)))
        return expected_lateness_minor(self.state, worst, daily)

    def add_transport(self) -> None:
        sites_of_lot: dict[str, set[str]] = {}
        for lot, site in self.places:
            sites_of_lot.setdefault(lot, set()).add(site)
        pairs: set[tuple[str, str]] = set()
        for record in self.records:
            for arc in record.order.arcs:
                targets = (
                    {record.order.terms.destination}
                    if arc.target is None
                    else sites_of_lot.get(arc.target, set())
                )
                pairs |= {(a, b) for a in sites_of_lot.get(arc.source, set()) for b in targets if a != b}
        rows = [(pair, self.ways.between(*pair)) for pair in sorted(pairs)]
        known = [(pair, route) for pair, route in rows if route is not None]
        self.builder.add_transport(
            from_site=[self.builder.site(pair[0]) for pair, _ in known],
            to_site=[self.builder.site(pair[1]) for pair, _ in known],
            fixed=[route.fixed_minor for _, route in known],
            per_unit=[route.unit_minor for _, route in known],
            minutes=[route.transit_minutes for _, route in known],
        )


def _lots(sheet: BidSheet, k: int) -> Sequence[str]:
    """Return the lots of a bid."""
    bids = sheet.bids
    return bids.item_lot[bids.item_offset[k] : bids.item_offset[k + 1]]


def _keep_latest(starts_us: dict[str, int], site: str, start_us: int) -> None:
    starts_us[site] = max(start_us, starts_us.get(site, start_us))


class _LatestEnds(dict[tuple[str, str], int]):
    """When the work on a lot at a site must be over, as (lot, site); found when it is asked for.

    Negative for a lot that is not in the round; late enough for one whose goods stay in the order.
    """

    def __init__(self, made: _Snapshot) -> None:
        self.made = made

    def __missing__(self, place: tuple[str, str]) -> int:
        lot, site = place
        order = self.made.final_lots.get(lot)
        if order is None:
            latest_us = LATEST_US if lot in self.made.lot_index else -1
        else:
            latest_us = order.terms.deadline_us - self.made.transit(site, order.terms.destination)
        self[place] = latest_us
        return latest_us
