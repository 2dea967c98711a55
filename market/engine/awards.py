"""From a checked clearing to awards, contracts and charges. Decides; changes nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from market.clearing.checker.verify import verify
from market.clearing.documents.result_json import clearing_from_json
from market.clearing.problem import Problem
from market.clearing.publishing.estimates import estimates
from market.clearing.result import Clearing, Move, Status
from market.engine.contesting import agreed_us, outbid, overtaken
from market.engine.decision import Decision, accept, refuse
from market.engine.execution import resumed
from market.engine.goods import KEPT, Piece, contract_of, kept_of, pieces, sunk_minor
from market.engine.lottery import commitment
from market.engine.orders import cancellation
from market.engine.partly_done import settled_minor
from market.engine.passing_over import pass_over
from market.engine.price_rounds import finds_prices_only, tell_prices
from market.engine.pricing import shares
from market.engine.snapshot import cleared_orders, fee_minor, snapshot
from market.engine.state import OrderRecord, RoundRecord, State
from market.engine.transitions import BEGUN, STANDING
from market.engine.unserved import reasons_of
from market.engine.ways import hurried, hurried_bids, ways
from market.logistics.network import Route
from market.model import events
from market.model.commands import ReportClearing
from market.model.events import Event
from takt_sdk.model.contract import Contract, ContractItem, ResourceUse, Shipment, contract_id
from takt_sdk.model.messages import UnservedReason
from takt_sdk.model.values import MINUTE_US


def publish(state: State, command: ReportClearing, now_us: int) -> Decision:
    """Check a clearing against the closed round and award what it accepts.

    Nothing of the answer is trusted: it is checked in integers against the problem that the state poses.
    """
    round_ = state.round
    if round_ is None or round_.id != command.round_id:
        return refuse("state", "no such round is being cleared", field="round_id", value=command.round_id)
    if round_.state != "clearing":
        return refuse(
            "state", "the round is not closed", field="round_id", value=command.round_id, state=round_.state
        )
    if round_.seed_commitment and commitment(command.secret) != round_.seed_commitment:
        return refuse(
            "check_failed", "does not open the round's commitment", field="secret", value=command.secret
        )
    try:
        clearing = clearing_from_json(command.result)
    except (KeyError, TypeError, ValueError) as error:
        return refuse("malformed", str(error), field="result", value=command.result)
    problem = snapshot(state, round_, command.seed)
    faults = verify(problem, clearing) if clearing.status in _WITH_ANSWER else ["no answer to publish"]
    if not faults and clearing.payments is not None:
        charged = sorted(charge.order for charge in clearing.charges or ())
        if charged != sorted(served.order for served in clearing.served):
            faults = ["the orders charged are not those served"]
    if faults:
        return refuse("check_failed", "; ".join(faults[:5]), field="result", value=clearing.digest)
    if finds_prices_only(state, clearing):
        return tell_prices(state, round_, problem, clearing, now_us)
    assert clearing.objective is not None
    published = events.ClearingPublished(
        round_id=round_.id,
        at_us=now_us,
        rules_version=round_.rules_version,
        status=clearing.status.value,
        objective=clearing.objective,
        bound=clearing.bound,
        greedy_objective=clearing.greedy_objective,
        digest=clearing.digest,
        result=command.result,
        estimates=tuple(sorted(estimates(problem, clearing).items())) if state.rules.tell_estimates else (),
    )
    awards = _Awards(state, round_, problem, clearing, now_us)
    return accept(published, *awards.outcome(), subject_id=round_.id)


_WITH_ANSWER = frozenset({Status.OPTIMAL, Status.FEASIBLE, Status.FALLBACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Won:
    """An accepted bid with its contract; ``kept`` marks an earlier round's, ``late`` one that is late."""

    contract: Contract
    kept: bool
    end_us: int
    late: bool = False


class _Awards:
    """Builds the events of one clearing, order by order."""

    def __init__(
        self, state: State, round_: RoundRecord, problem: Problem, clearing: Clearing, now_us: int
    ) -> None:
        self.state, self.round, self.now_us = state, round_, now_us
        self.clearing = clearing
        self.order_of_lot = {lot.id: lot.order_id for lot in round_.lots}
        self.bids = {
            participant: (answer.sheet, {name: k for k, name in enumerate(answer.sheet.bids.id)})
            for participant, answer in round_.answers.items()
            if answer.sheet is not None
        }
        self.charge = {charge.order: charge.amount for charge in clearing.charges or ()}
        self.pieces = {
            f"{piece.contract.participant}/{piece.local_id}": piece
            for record in cleared_orders(state, round_)
            for piece in pieces(state, round_, record)
        }
        self.hurried = hurried_bids(problem)
        self.moves = self._moves()
        self.payment = self._payments()
        self.served = {served.order: served for served in clearing.served}
        self.reasons = reasons_of(round_, clearing.unserved)
        self.shipments = self._shipments()
        self.won = {
            accepted.bid: self._won(accepted.bid, accepted.quantity) for accepted in clearing.accepted
        }
        self.by_order: dict[str, list[str]] = {}
        for bid_id in sorted(self.won):
            self.by_order.setdefault(self.won[bid_id].contract.order_id, []).append(bid_id)

    def outcome(self) -> list[Event]:
        happened: list[Event] = []
        for record in cleared_orders(self.state, self.round):
            served = record.order.id in self.served and self.clearing.payments is not None
            if served and self._leaves_out_begun_work(record):
                reason = UnservedReason(code="dates", detail="work that has begun does not fit any more")
                happened += pass_over(self.state, self.round, record, (reason,), self.now_us)
            elif served and overtaken(self.state, kept_of(self.round, record)):
                reason = UnservedReason(code="dates", detail="late work ended while it was on offer")
                happened += pass_over(self.state, self.round, record, (reason,), self.now_us)
            elif served:
                awarded = self._awarded(record)
                happened += [awarded, *self._contested(record, awarded)]
                if awarded.lost:
                    happened.append(
                        events.OrderProgressed(order_id=record.order.id, step="at_risk", at_us=self.now_us)
                    )
                if record.cancel_position is not None:
                    happened += self._cancelled(record, awarded)
                elif not awarded.lost:
                    happened += resumed(self.state, awarded)
            else:
                happened += self._passed_over(record)
        return happened

    def _payments(self) -> dict[str, int]:
        """Return what each accepted bid is paid.

        Every order pays its own share of a group's fixed price, through the first accepted bid of the
        group in that order: what another order cancels leaves it untouched.
        """
        first: dict[str, dict[str, str]] = {}
        owed = dict(self.charge)
        order_of: dict[str, str] = {}
        for bid_id in sorted(accepted.bid for accepted in self.clearing.accepted):
            participant, local = bid_id.split("/", 1)
            if local.startswith(KEPT):
                order_of[bid_id] = self.pieces[bid_id].contract.order_id
            else:
                sheet, index = self.bids[participant]
                column, k = sheet.bids, index[local]
                order_of[bid_id] = self.order_of_lot[column.item_lot[column.item_offset[k]]]
                for group in column.group_index[column.group_offset[k] : column.group_offset[k + 1]]:
                    users = first.setdefault(f"{participant}/{sheet.groups.id[group]}", {})
                    users.setdefault(order_of[bid_id], bid_id)
        paid: dict[str, int] = {}
        groups: list[tuple[str, int]] = []
        for payment in self.clearing.payments or ():
            if payment.group is not None:
                groups.append((payment.group, payment.amount))
            elif payment.bid is not None:
                paid[payment.bid] = paid.get(payment.bid, 0) + payment.amount
                if payment.bid in order_of:
                    owed[order_of[payment.bid]] -= payment.amount
        for move, route in self.moves:
            order_id = move.arc.rsplit(".", 1)[0]
            owed[order_id] = owed.get(order_id, 0) - route.cost_minor(move.quantity)
        split = shares([(amount, sorted(first[name])) for name, amount in groups], owed)
        for (name, amount), parts in zip(groups, split, strict=True):
            bids = first[name]
            rest = amount - sum(parts.values())
            for position, order_id in enumerate(sorted(bids)):
                share = parts[order_id] + (0 if position else rest)
                paid[bids[order_id]] = paid.get(bids[order_id], 0) + share
        return paid

    def _contract_id(self, bid_id: str) -> str:
        participant, local = bid_id.split("/", 1)
        if local.startswith(KEPT):
            return contract_of(local)
        return contract_id(self.round.id, participant, local)

    def _won(self, bid_id: str, quantity: int) -> _Won:
        participant, local = bid_id.split("/", 1)
        if local.startswith(KEPT):
            piece, late = self.pieces[bid_id], self.pieces[bid_id].late_minor is not None
            contested = self.round.kept[piece.contract.id].contested
            end_us = piece.end_us if contested else agreed_us(self.state, piece.contract)
            return _Won(contract=piece.contract, kept=True, end_us=end_us, late=late)
        sheet, index = self.bids[participant]
        bids, capacities, k = sheet.bids, sheet.capacities, index[local]
        at = slice(bids.item_offset[k], bids.item_offset[k + 1])
        lots, full = bids.item_lot[at], sum(bids.item_quantity[at])
        whole = bids.min_quantity[k] == 0
        items = [
            ContractItem(lot_id=lot, quantity=offered if whole else quantity)
            for lot, offered in zip(lots, bids.item_quantity[at], strict=True)
        ]
        uses = [
            ResourceUse(
                resource=capacities.resource[bids.use_capacity[use]],
                period=capacities.period[bids.use_capacity[use]],
                amount=bids.use_fixed[use] + bids.use_per_unit[use] * quantity,
            )
            for use in range(bids.use_offset[k], bids.use_offset[k + 1])
        ]
        return _Won(
            contract=Contract(
                id=contract_id(self.round.id, participant, local),
                order_id=self.order_of_lot[lots[0]],
                round_id=self.round.id,
                participant=participant,
                bid_id=local,
                site=bids.site[k],
                items=tuple(items),
                payment_minor=self.payment.get(bid_id, 0),
                start_us=bids.start_us[k],
                end_us=bids.end_us[k],
                uses=tuple(uses),
                shipments=tuple(self.shipments.get(bid_id, ())),
                emissions_g=-(-bids.emissions_g[k] * quantity // full),
            ),
            kept=False,
            end_us=bids.end_us[k],
        )

    def _site(self, bid_id: str) -> str:
        """Return where the goods of an accepted bid are."""
        piece = self.pieces.get(bid_id)
        if piece is not None:
            return piece.site
        participant, local = bid_id.split("/", 1)
        sheet, index = self.bids[participant]
        return sheet.bids.site[index[local]]

    def _moves(self) -> list[tuple[Move, Route]]:
        """Return the clearing's moves with their routes."""
        routes, found = ways(self.state.network), []
        for move in self.clearing.moves:
            to_site = move.to_site if move.to_bid is None else self._site(move.to_bid)
            assert to_site is not None
            site = self._site(move.from_bid)
            source = hurried(site) if move.from_bid in self.hurried else site
            route = routes.between(source, to_site)
            assert route is not None, move
            found.append((move, route))
        return found

    def _shipments(self) -> dict[str, list[Shipment]]:
        shipments: dict[str, list[Shipment]] = {}
        for move, route in self.moves:
            to_site = move.to_site if move.to_bid is None else self._site(move.to_bid)
            assert to_site is not None
            shipments.setdefault(move.from_bid, []).append(
                Shipment(
                    arc_id=move.arc,
                    to_site=to_site,
                    to_contract=None if move.to_bid is None else self._contract_id(move.to_bid),
                    quantity=move.quantity,
                    transit_minutes=self._moved_minutes(move.from_bid) + route.transit_minutes,
                    cost_minor=route.cost_minor(move.quantity),
                    emissions_g=route.total_emissions_g(move.quantity),
                )
            )
        return shipments

    def _moved_minutes(self, bid_id: str) -> int:
        """Return how long the goods of a bid were on their way before this round."""
        piece: Piece | None = self.pieces.get(bid_id)
        return 0 if piece is None else max((s.transit_minutes for s in piece.moved), default=0)

    def _awarded(self, record: OrderRecord) -> events.OrderAwarded:
        order_id = record.order.id
        new: list[Contract] = []
        kept: dict[str, tuple[Shipment, ...]] = {}
        lost: dict[str, tuple[Shipment, ...]] = dict.fromkeys(self._lost_meanwhile(record), ())
        owed: dict[str, int] = {}
        promised_us = transport = 0
        for bid_id in self.by_order.get(order_id, ()):
            won = self.won[bid_id]
            shipments = tuple(self.shipments.get(bid_id, ()))
            transport += sum(shipment.cost_minor for shipment in shipments)
            arrivals = [s.transit_minutes * MINUTE_US for s in shipments if s.to_contract is None]
            promised_us = max([promised_us, *(won.end_us + transit_us for transit_us in arrivals)])
            if won.kept:
                known, planned = self.state.contracts[won.contract.id], self.round.kept[won.contract.id]
                if known.state in STANDING and known.contract.items == planned.contract.items:
                    kept[won.contract.id] = (*kept.get(won.contract.id, ()), *shipments)
                if won.contract.id in lost:
                    lost[won.contract.id] = (*lost[won.contract.id], *shipments)
                owed[won.contract.id] = settled_minor(planned)
            else:
                new.append(won.contract)
        sunk = sunk_minor(self.state, order_id)
        transport += sunk
        cost = self.charge[order_id] + sum(owed.values()) + sunk
        served = self.served[order_id]
        fee = fee_minor(self.state.rules, cost)
        return events.OrderAwarded(
            order_id=order_id,
            round_id=self.round.id,
            at_us=self.now_us,
            pieces=(
                record.pieces
                if kept_of(self.round, record)
                else record.order.terms.quantity * served.units // served.of
            ),
            charge_minor=cost + fee,
            production_minor=cost - transport,
            transport_minor=transport,
            fee_minor=fee,
            promised_us=promised_us,
            contracts=tuple(new),
            kept=tuple(kept.items()),
            lost=tuple(lost.items()),
            ended=tuple(
                sorted(
                    {id_ for id_ in record.contracts if self.state.contracts[id_].state == "at_risk"}
                    | {id_ for id_ in self._left_out(record) if self.state.contracts[id_].state in STANDING}
                )
            ),
        )

    def _left_out(self, record: OrderRecord) -> list[str]:
        """Return the contracts that stood at the close and have no place in the new plan."""
        placed = {self.won[bid_id].contract.id for bid_id in self.by_order.get(record.order.id, ())}
        return [
            kept.contract.id
            for kept in kept_of(self.round, record)
            if kept.contract.id not in placed and (kept.done or not kept.contested)
        ]

    def _contested(self, record: OrderRecord, awarded: events.OrderAwarded) -> list[Event]:
        """End what the new plan does not keep of late contracts."""
        won = (self.won[bid_id] for bid_id in self.by_order.get(record.order.id, ()))
        going_on = {one.contract.id for one in won if one.late}
        late = [
            kept for kept in kept_of(self.round, record)
            if kept.contested and kept.contract.id not in going_on
        ]  # fmt: skip
        return [outbid(self.state, kept, dict(awarded.kept), self.now_us) for kept in late]

    def _leaves_out_begun_work(self, record: OrderRecord) -> bool:
        return any(self.state.contracts[id_].state in BEGUN for id_ in self._left_out(record))

    def _lost_meanwhile(self, record: OrderRecord) -> list[str]:
        """Return the contracts that the close counted on and that are lost since."""
        return [
            kept.contract.id for kept in kept_of(self.round, record)
            if (
                self.state.contracts[kept.contract.id].state not in STANDING
                or (kept.contract.id in self.state.contracting.contested and not kept.contested)
                or self.state.contracts[kept.contract.id].contract.items != kept.contract.items
            )
            and kept.contract.id not in self._left_out(record)
        ]  # fmt: skip

    def _cancelled(self, record: OrderRecord, awarded: events.OrderAwarded) -> tuple[Event, ...]:
        ended = tuple(
            events.ContractEnded(contract_id=contract.id, at_us=self.now_us, reason="order cancelled")
            for contract in awarded.contracts
        )
        return (*ended, *cancellation(self.state, record, self.now_us))

    def _passed_over(self, record: OrderRecord) -> list[Event]:
        known = self.reasons.get(record.order.id)
        # The refusal itself names other customers' orders; it stays in the clearing.
        refused = f"no payments under the rule {self.state.rules.mechanism}"
        reasons = (UnservedReason(code="not_proven", detail=refused),) if known is None else known
        return pass_over(self.state, self.round, record, reasons, self.now_us)
