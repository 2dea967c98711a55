"""The workload in the market's own words: a part of one lot, plants at one site, sheets of fixed prices.

An order is known by its quantity, so that a plant finds its price in the table it has made itself. Prices
are multiplied by the number of plants and the plant's index is added, so that ties go to the lowest index
and never to the lottery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from market.engine.state import State
from market.model.commands import AdmitParticipant, Command, OpenMarket
from market.model.network import Network, Site
from market.model.rules import SECOND_US, Rules
from takt_sdk.codec import encode
from takt_sdk.model.capability import Capability, Qualification, Requirement
from takt_sdk.model.messages import CallForProposals, Envelope, SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedLot, ProcessPlan
from takt_sdk.model.sheet import Bids, BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US
from takt_sdk.signing import Signer, account_seed, user_seed

MARKET, SITE, CUSTOMER = "cnp", "hub", "customer"
START_US = 20_605 * DAY_US
RULES = Rules(takt_us=SECOND_US, response_us=SECOND_US, clearing_work=1_000)
"""The benchmark sets the time: a round closes once all have answered, the next opens once it has cleared."""

PLAN = ProcessPlan(
    lots=(PlannedLot(id="make", kind="operation", requirement=Requirement(process="making", material="any")),)
)
LIMIT_MINOR = 10**9


def plant_name(index: int) -> str:
    """Return a plant's id."""
    return f"plant-{index:03d}"


def signer(name: str) -> Signer:
    """Return the signer of a plant, or of the market's heads."""
    secret = sha256(f"benchmark key of {name}".encode()).digest()
    return Signer(account_seed(secret) if name == MARKET else user_seed(secret))


def opening(plants: int, *, signed: bool) -> list[Command]:
    """Return what opens the market and admits everybody; ``signed`` where plants must sign."""
    making = Qualification(capabilities=(Capability(process="making", materials=("any",)),))
    network = Network(sites=(Site(id=SITE, name="Hub", country="DE"),))
    return [
        OpenMarket(
            market=MARKET,
            rules=replace(RULES, signatures="required" if signed else "optional"),
            network=network,
            seed=1,
            market_key=signer(MARKET).key if signed else "",
        ),
        AdmitParticipant(participant=CUSTOMER, roles=("customer",), agent=False),
        *(
            AdmitParticipant(
                participant=plant_name(index),
                roles=("plant",),
                sites=(SITE,),
                qualification=making,
                signing_key=signer(plant_name(index)).key if signed else "",
            )
            for index in range(plants)
        ),
    ]


def order(index: int) -> SubmitOrder:
    """Return order number ``index``."""
    terms = OrderTerms(
        quantity=index + 1,
        destination=SITE,
        release_us=START_US + 100 * DAY_US,
        due_us=START_US + 200 * DAY_US,
        deadline_us=START_US + 300 * DAY_US,
        reservation_value_minor=LIMIT_MINOR,
    )
    return SubmitOrder(idempotency_key=f"order-{index}", part_id="part", terms=terms, plan=PLAN)


def sheet(call: CallForProposals, plant: int, table: Sequence[Sequence[int]]) -> BidSheet:
    """Return a plant's bids on every lot of a call."""
    lots = call.lots
    count = len(lots)
    plants = len(table[0])
    bids = Bids(
        id=tuple(f"b{index}" for index in range(count)),
        site=(SITE,) * count,
        start_us=tuple(lot.earliest_start_us for lot in lots),
        end_us=tuple(lot.earliest_start_us + HOUR_US for lot in lots),
        fixed_price_minor=tuple(table[lot.quantity - 1][plant] * plants + plant for lot in lots),
        unit_price_minor=(0,) * count,
        min_quantity=(0,) * count,
        emissions_g=(0,) * count,
        item_offset=tuple(range(count + 1)),
        item_lot=tuple(lot.id for lot in lots),
        item_quantity=tuple(lot.quantity for lot in lots),
        use_offset=(0,) * (count + 1),
        group_offset=(0,) * (count + 1),
    )
    return BidSheet(round_id=call.round_id, expires_us=call.deadline_us + DAY_US, bids=bids)


def sealed(sender: str, body: Command, message_id: str, now_us: int, sequence: int = 0) -> bytes:
    """Return a message's bytes."""
    return encode(
        Envelope(
            message_id=message_id,
            correlation_id="",
            causation_id="",
            sender=sender,
            sequence=sequence,
            occurred_us=now_us,
            body=body,
        )
    )


def won(state: State, orders: int) -> list[int]:
    """Return the index of the plant that won each order; -1 where nobody did."""
    found = [-1] * orders
    for record in state.contracts.values():
        quantity = state.orders[record.contract.order_id].order.terms.quantity
        found[quantity - 1] = int(record.contract.participant.rpartition("-")[2])
    return found
