"""Losing bids that stand by: which are recorded at an award. Decides only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

from market.engine.replanning import joined
from market.engine.state import RoundRecord, State
from market.engine.uses import used
from market.model import events
from market.model.contract_events import Backup, BackupsRecorded
from market.model.events import Event
from takt_sdk.model.contract import Contract, ContractItem, ResourceUse, contract_id
from takt_sdk.model.sheet import Bid, BidSheet


def recorded(state: State, happened: Iterable[Event]) -> Iterator[Event]:
    """Yield the losing bids that stand by for the contracts just awarded; ``state`` is the one before."""
    if not state.rules.contracts.backups:
        return
    told = tuple(happened)
    published = next((event for event in told if isinstance(event, events.ClearingPublished)), None)
    if published is None:
        return
    round_ = state.rounds[published.round_id]
    awarded = [event for event in told if isinstance(event, events.OrderAwarded)]
    won = [contract for event in awarded for contract in event.contracts]
    losers = _losers(round_, won, published)
    found: list[Backup] = []
    cancelled = {event.order_id for event in told if isinstance(event, events.OrderCancelled)}
    for event in awarded if losers else ():
        if event.order_id in cancelled:  # noted while the round was cleared
            continue
        record = state.orders[event.order_id]
        plan = {id_: replace(state.contracts[id_].contract, shipments=ways) for id_, ways in event.kept}
        plan |= {contract.id: contract for contract in event.contracts}
        for contract in event.contracts:
            fitting = (
                known
                for bid in losers.get(frozenset(item.lot_id for item in contract.items), ())
                if (known := _backup(bid, contract, published.at_us)) is not None
                and joined(state, record, plan, {contract.id: known.contract}, published.at_us) is not None
            )
            ranked = sorted(fitting, key=lambda known: (known.contract.payment_minor, known.draw))
            found += ranked[: state.rules.contracts.backups]
    if found:
        yield BackupsRecorded(backups=tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loser:
    """A bid of a sheet that stands by, with what its bidder won in the round."""

    participant: str
    sheet: BidSheet
    bid: Bid
    round_id: str
    taken: Counter[tuple[str, int]]
    digest: str


def _losers(
    round_: RoundRecord, won: list[Contract], published: events.ClearingPublished
) -> dict[frozenset[str], list[_Loser]]:
    """Return the bids that stand by, by their lots.

    Not a bid whose group has a fixed price, which depends on what else is accepted, or has room for no
    more than was accepted of it.
    """
    accepted = {(contract.participant, contract.bid_id) for contract in won}
    found: dict[frozenset[str], list[_Loser]] = {}
    for participant in sorted(round_.answers):
        sheet = round_.answers[participant].sheet
        if sheet is None or not sheet.stands_by:
            continue
        taken = Counter[tuple[str, int]]()
        for contract in won:
            if contract.participant == participant:
                taken += used(contract)
        chosen = Counter(group for bid in sheet if (participant, bid.id) in accepted for group in bid.groups)
        groups = sheet.groups
        full = {
            group
            for group in range(len(groups.id))
            if groups.fixed_price_minor[group]
            or ((limit := groups.max_accepted[group]) is not None and chosen[group] >= limit)
        }
        for bid in sheet:
            if (participant, bid.id) not in accepted and full.isdisjoint(bid.groups):
                loser = _Loser(
                    participant=participant,
                    sheet=sheet,
                    bid=bid,
                    round_id=round_.id,
                    taken=taken,
                    digest=published.digest,
                )
                found.setdefault(frozenset(lot for lot, _ in bid.items), []).append(loser)
    return found


def _backup(loser: _Loser, winner: Contract, at_us: int) -> Backup | None:
    """Return a bid as a backup of a contract; None if it is for other goods, or its bidder is full."""
    bid, sheet = loser.bid, loser.sheet
    wanted = {item.lot_id: item.quantity for item in winner.items}
    offered = dict(bid.items)
    units = sum(wanted.values())
    if bid.min_quantity:
        fits = all(bid.min_quantity <= quantity <= offered[lot] for lot, quantity in wanted.items())
    else:
        fits = wanted == offered
    if not fits or loser.participant == winner.participant:
        return None
    rows = sheet.capacities
    uses = tuple(
        ResourceUse(resource=rows.resource[row], period=rows.period[row], amount=fixed + per_unit * units)
        for row, fixed, per_unit in bid.uses
    )
    declared = tuple(rows.available[row] for row, _, _ in bid.uses)
    if any(
        loser.taken[use.resource, use.period] + use.amount > most
        for use, most in zip(uses, declared, strict=True)
    ):
        return None
    id_ = contract_id(loser.round_id, loser.participant, bid.id)
    return Backup(
        contract=Contract(
            id=id_,
            order_id=winner.order_id,
            round_id=loser.round_id,
            participant=loser.participant,
            bid_id=bid.id,
            site=bid.site,
            items=tuple(ContractItem(lot_id=lot, quantity=wanted[lot]) for lot, _ in bid.items),
            payment_minor=bid.price_minor(units),
            start_us=bid.start_us,
            end_us=bid.end_us,
            uses=uses,
            emissions_g=-(-bid.emissions_g * units // sum(offered.values())),
        ),
        backs=winner.id,
        at_us=at_us,
        expires_us=sheet.expires_us,
        fixed_minor=bid.fixed_price_minor,
        declared=declared,
        groups=tuple(
            f"{loser.round_id}/{loser.participant}/{sheet.groups.id[group]}" for group in bid.groups
        ),
        draw=sha256(f"{loser.digest}\n{id_}".encode()).hexdigest(),
    )
