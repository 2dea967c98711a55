"""What answers hold: the read models in the request's own terms, for customers and the OpenAPI document.

Instants are RFC 3339 in UTC, money is integer minor units beside its currency. Nothing here reaches the
market.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema

from gateway.instants import format_instant
from market.desk import Health, Terms
from market.engine.audience import is_hidden
from market.model.views import ClearingView, LotView, OrderView, ParticipantView
from market.ports import RowChange
from takt_sdk.model.messages import OrderState, Receipt
from takt_sdk.model.plan import Document, Part, ProcessPlan

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]

_ORDER = TypeAdapter(OrderView)
_CLEARING = TypeAdapter(ClearingView)
_PARTICIPANT = TypeAdapter(ParticipantView)
_PART = TypeAdapter(Part)


class Resource(BaseModel):
    """Base of what an answer holds."""

    model_config = ConfigDict(extra="forbid")


class HeadResource(Resource):
    """The head of the market's log when the answer was given: its size and Merkle root (RFC 6962)."""

    size: int
    root: str


class Acknowledgement(Resource):
    """The request is in the market's log, durably."""

    id: Annotated[str, Field(description="Id of the order or part.")]
    position: Annotated[
        int, Field(description="Where the request stands in the log; a repeat gets the first.")
    ]
    leaf: Annotated[str, Field(description="Its leaf in the Merkle tree of the log, hex.")]
    head: HeadResource

    @classmethod
    def of(cls, subject: str, receipt: Receipt) -> Acknowledgement:
        """Return what ``receipt`` says about ``subject``."""
        head = HeadResource(size=receipt.size, root=receipt.root)
        return cls(id=subject, position=receipt.position, leaf=receipt.leaf, head=head)


class HistoryResource(Resource):
    """A change of state, and the event or reason that caused it."""

    at: Moment
    state: str
    cause: str


class LotResource(Resource):
    """A lot of an order and the ids of the contracts that stand for it."""

    lot_id: str
    process: str
    quantity: int
    contracts: list[str]


class ReasonResource(Resource):
    """Why something was not served."""

    code: str
    detail: str


class OrderResource(Resource):
    """An order as its customer sees it. Money and dates of the award are null until there is one."""

    id: str
    state: OrderState
    part_id: str
    quantity: int
    pieces: Annotated[int, Field(description="How many pieces will be delivered.")]
    destination: str
    release: Moment
    due: Moment
    deadline: Moment
    submitted: Moment
    promised: Moment | None
    currency: str
    reservation_value_minor: int
    charge_minor: Annotated[int | None, Field(description="production + transport + fee")]
    production_minor: int | None
    transport_minor: int | None
    fee_minor: int | None
    emissions_g: int | None
    lots: list[LotResource]
    reasons: list[ReasonResource]
    rounds: list[str]
    history: list[HistoryResource]

    @classmethod
    def of(cls, view: OrderView, currency: str) -> OrderResource:
        """Return ``view`` in the customer's terms."""
        return cls(
            id=view.order_id,
            state=view.state,
            part_id=view.part_id,
            quantity=view.quantity,
            pieces=view.pieces,
            destination=view.destination,
            release=format_instant(view.release_us),
            due=format_instant(view.due_us),
            deadline=format_instant(view.deadline_us),
            submitted=format_instant(view.submitted_us),
            promised=_moment(view.promised_us),
            currency=currency,
            reservation_value_minor=view.reservation_value_minor,
            charge_minor=view.charge_minor,
            production_minor=view.production_minor,
            transport_minor=view.transport_minor,
            fee_minor=view.fee_minor,
            emissions_g=view.emissions_g,
            lots=[_lot(lot) for lot in view.lots],
            reasons=[ReasonResource(code=reason.code, detail=reason.detail) for reason in view.reasons],
            rounds=list(view.rounds),
            history=[
                HistoryResource(at=format_instant(entry.at_us), state=entry.state, cause=entry.cause)
                for entry in view.history
            ],
        )


class OrderList(Resource):
    """A page of own orders, by id; ``next`` is the path of the following page."""

    orders: list[OrderResource]
    next: str | None


class PartResource(Resource):
    """A part of the own catalogue."""

    id: str
    name: str
    lots: Annotated[list[str], Field(description="Ids of its plan's lots, each after all that flow into it.")]
    final_lot: str

    @classmethod
    def of(cls, part: Part) -> PartResource:
        """Return ``part`` in the customer's terms."""
        plan = part.plan
        return cls(id=part.id, name=part.name, lots=list(plan.topological_order), final_lot=plan.final_lot)


class PartPlan(Resource):
    """A part of the own catalogue with its plan, as it was put there."""

    id: str
    name: str
    plan: ProcessPlan
    documents: list[Document]

    @classmethod
    def of(cls, part: Part) -> PartPlan:
        """Return ``part`` in the customer's terms."""
        return cls(id=part.id, name=part.name, plan=part.plan, documents=list(part.documents))


class PartList(Resource):
    """A page of own parts, by id."""

    parts: list[PartResource]
    next: str | None


class ClearingResource(Resource):
    """A round, public part. The clearing's figures are null before it cleared.

    Those of money stay null where fewer than three customers or bidders took part.

    ``objective`` is social welfare in minor units, ``bound`` what it could be at most, ``gap_ppm`` their
    difference in millionths, ``greedy_objective`` what clearing order by order would have reached.
    """

    round_id: str
    number: int
    status: str
    opened: Moment
    closes: Annotated[Moment, Field(description="When it closes at the latest.")]
    closed: Moment | None
    called: int
    answered: int
    orders: int
    served: int
    clearing_status: str | None
    currency: str
    objective: int | None
    bound: int | None
    gap_ppm: int | None
    greedy_objective: int | None
    digest: str | None

    @classmethod
    def of(cls, row: RowChange, currency: str) -> ClearingResource:
        """Return a row of the read model in public terms."""
        view = _CLEARING.validate_json(row.document or b"")
        return cls(
            round_id=view.round_id,
            number=view.number,
            status=row.status,
            opened=format_instant(view.opened_us),
            closes=format_instant(view.deadline_us),
            closed=_moment(view.closed_us),
            called=view.called,
            answered=view.answered,
            orders=view.orders,
            served=view.served,
            clearing_status=view.clearing_status,
            currency=currency,
            objective=view.objective,
            bound=view.bound,
            gap_ppm=view.gap_ppm,
            greedy_objective=view.greedy_objective,
            digest=view.digest,
        )


class ClearingList(Resource):
    """A page of rounds, by id."""

    clearings: list[ClearingResource]
    next: str | None


class SiteResource(Resource):
    """A place to which goods can go."""

    id: str
    name: str
    country: str


class MarketResource(Resource):
    """What everybody who trades here should know."""

    market: str
    now: Moment
    currency: str
    mechanism: str
    takt_s: Annotated[float, Field(description="Time from one call to the next.")]
    response_s: Annotated[float, Field(description="Time that bidders have to answer.")]
    fee_ppm: int
    rules_version: int
    auditors: Annotated[list[str], Field(description="Who reads the whole log, restricted orders too.")]
    round_id: str | None
    paused: Annotated[str | None, Field(description="Why no round opens; null while they do.")]
    sites: list[SiteResource]
    holder: Annotated[Literal["participant", "operator"], Field(description="Whose key asked.")]

    @classmethod
    def of(cls, health: Health, terms: Terms, holder: Literal["participant", "operator"]) -> MarketResource:
        """Return the public part of the rules, the time and the places."""
        rules = terms.rules
        return cls(
            market=health.market,
            now=format_instant(health.now_us),
            currency=rules.currency,
            mechanism=rules.mechanism,
            takt_s=rules.takt_us / 1_000_000,
            response_s=rules.response_us / 1_000_000,
            fee_ppm=rules.fee_ppm,
            rules_version=rules.version,
            auditors=list(rules.auditors),
            round_id=None if health.round_id is None or is_hidden(health.round_id) else health.round_id,
            paused=health.pause_reason or None,
            sites=[
                SiteResource(id=site.id, name=site.name, country=site.country) for site in terms.network.sites
            ],
            holder=holder,
        )


class ReadinessResource(Resource):
    """Whether the market commits and its bus answers."""

    ready: bool
    problems: list[str]


class ParticipantResource(Resource):
    """An admitted participant, for the operator. Its key's hash is not shown."""

    participant: str
    roles: list[str]
    sites: list[str]
    suspended: bool
    revoked: bool
    has_api_key: bool
    agent: bool
    signing_key: str

    @classmethod
    def of(cls, row: RowChange) -> ParticipantResource:
        """Return a row of the read model in the operator's terms."""
        view = _PARTICIPANT.validate_json(row.document or b"")
        admission = view.admission
        return cls(
            participant=admission.participant,
            roles=list(admission.roles),
            sites=list(admission.sites),
            suspended=view.suspended,
            revoked=view.revoked,
            has_api_key=admission.api_key_sha256 is not None,
            agent=admission.agent,
            signing_key=admission.signing_key,
        )


class ParticipantList(Resource):
    """A page of participants, by id."""

    participants: list[ParticipantResource]
    next: str | None


class WaitingResource(Resource):
    """An order that waits for the operator's approval: whose it is, since when, why."""

    id: str
    customer: str
    due: Moment
    promised: Moment | None
    charge_minor: int | None
    currency: str
    since: Moment
    cause: str

    @classmethod
    def of(cls, row: RowChange, currency: str) -> WaitingResource:
        """Return a row of the read model in the operator's terms; what the order is worth stays sealed."""
        view = _ORDER.validate_json(row.document or b"")
        last = view.history[-1]
        return cls(
            id=view.order_id,
            customer=row.tenant,
            due=format_instant(view.due_us),
            promised=_moment(view.promised_us),
            charge_minor=view.charge_minor,
            currency=currency,
            since=format_instant(last.at_us),
            cause=last.cause,
        )


class WaitingList(Resource):
    """A page of orders that wait for approval, by id."""

    orders: list[WaitingResource]
    next: str | None


def order_view(row: RowChange) -> OrderView:
    """Return the order that a row of the read model holds."""
    return _ORDER.validate_json(row.document or b"")


def part_of(row: RowChange) -> Part:
    """Return the part that a row of the read model holds."""
    return _PART.validate_json(row.document or b"")


def _lot(view: LotView) -> LotResource:
    return LotResource(
        lot_id=view.lot_id, process=view.process, quantity=view.quantity, contracts=list(view.contracts)
    )


def _moment(time_us: int | None) -> str | None:
    return None if time_us is None else format_instant(time_us)
