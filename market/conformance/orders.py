"""What the scripted market knows of a customer's orders, and what it holds each message against. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from market.conformance.rules import RuleBrokenError, Sent
from market.engine.transitions import next_order_state
from takt_sdk.codec import digest_of
from takt_sdk.model.execution import AcceptChange, ChangeQuote, RequestChange
from takt_sdk.model.messages import (
    TERMINAL_ORDER_STATES,
    CancelOrder,
    CustomerCommand,
    OrderNotice,
    OrderState,
    PublishPart,
    Refused,
    SubmitOrder,
)

CLOCK_US = 2_000_000
"""How far a participant's idea of the market's time may be off."""
_CANCELLED_AT_ONCE = frozenset({"submitted", "calling", "clearing", "awarded"})


@dataclass(slots=True, kw_only=True)
class Placed:
    """An order that was taken, its state, and the market's last notice of it."""

    order_id: str
    order: SubmitOrder
    position: int
    state: OrderState = "submitted"
    notice_id: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A message that was taken before."""

    position: int
    subject_id: str


def thread_of(body: CustomerCommand) -> str:
    """Return what a message and its retries have in common: they carry no number."""
    match body:
        case PublishPart():
            return f"part {body.part.id}"
        case SubmitOrder():
            return f"order {body.idempotency_key}"
        case CancelOrder():
            return f"cancel {body.order_id}"
        case RequestChange():
            return f"change {body.order_id}"
        case AcceptChange():
            return f"accept {body.quote_id}"


@dataclass(slots=True)
class OrderBook:
    """One customer's affairs on the scripted market."""

    participant: str
    orders: dict[str, Placed] = field(default_factory=dict)
    quotes: dict[str, ChangeQuote] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    """Transitions of an order that the customer was told."""
    refused: int = 0
    """Orders that were refused for good."""
    accepted: set[str] = field(default_factory=set)
    """Quotes that were accepted."""
    _taken: dict[str, tuple[str, Repeated]] = field(default_factory=dict)
    """Thread → (digest of the body, its place)."""
    _attempts: dict[str, dict[str, bool]] = field(default_factory=dict)
    """Content of an order → its keys, each with whether the customer has its answer in this life."""

    def live(self) -> Iterator[Placed]:
        """Yield the orders that have not ended."""
        return (one for one in self.orders.values() if one.state not in TERMINAL_ORDER_STATES)

    def restarted(self) -> None:
        """Expect of a process without memory that it goes by what the market says."""
        for keys in self._attempts.values():
            keys.update(dict.fromkeys(keys, False))

    def arrived(self, body: CustomerCommand, sent: Sent) -> None:
        """Take note of a message, whatever becomes of it; raise where it places an order a second time."""
        if not isinstance(body, SubmitOrder):
            return
        keys = self._attempts.setdefault(_content(body), {})
        for key, answered in keys.items():
            if key != body.idempotency_key and not answered:
                what = f"the order of key {key!r} under the key {body.idempotency_key!r}"
                raise RuleBrokenError("order.again", what, "the same key, or nothing", sent)
        keys.setdefault(body.idempotency_key, False)

    def answered(self, body: CustomerCommand, *, for_good: bool = False) -> None:
        """Take note that the customer has its answer; a refusal for good lets it place the order anew."""
        if not isinstance(body, SubmitOrder):
            return
        keys = self._attempts[_content(body)]
        if for_good:
            self.refused += 1
            del keys[body.idempotency_key]
        else:
            keys[body.idempotency_key] = True

    def check(
        self, body: CustomerCommand, sent: Sent, now_us: int, acknowledged: frozenset[str]
    ) -> Repeated | Refused | None:
        """Return None for a message to be taken; raise where it breaks a rule.

        ``acknowledged`` are the market's messages that the participant has taken.
        """
        known = self._taken.get(thread_of(body))
        if known is not None and known[0] == digest_of(body):
            return known[1]
        match body:
            case PublishPart():
                return None
            case SubmitOrder():
                self._check_order(body, sent, now_us, other=known is not None)
                return None
            case AcceptChange():
                self._own(body.order_id, body.kind, sent)
                quote = self.quotes.get(body.quote_id)
                if quote is None or quote.order_id != body.order_id or now_us > quote.expires_us + CLOCK_US:
                    quotes = ", ".join(self.quotes) or "none yet"
                    what = f"{body.quote_id} of {body.order_id} accepted"
                    raise RuleBrokenError("change.quoted", what, f"one in force of {quotes}", sent)
                return None
        placed = self._own(body.order_id, body.kind, sent)
        if placed.state in TERMINAL_ORDER_STATES:
            if not placed.notice_id or placed.notice_id in acknowledged:
                what = f"a {body.kind} of {placed.order_id}, which is {placed.state}"
                raise RuleBrokenError("order.over", what, "nothing more", sent)
            return _state(placed)
        if isinstance(body, CancelOrder) and placed.state not in _CANCELLED_AT_ONCE:
            return _state(placed)
        return None

    def _check_order(self, body: SubmitOrder, sent: Sent, now_us: int, *, other: bool) -> None:
        if other:
            what = f"another order under the key {body.idempotency_key!r}"
            raise RuleBrokenError("order.key", what, "a key of its own", sent)
        if body.plan is None and f"part {body.part_id}" not in self._taken:
            what = f"an order for the part {body.part_id!r}, without its plan"
            raise RuleBrokenError("order.part", what, "takt.publish_part.v1 first", sent)
        if body.terms.due_us + CLOCK_US <= now_us:
            what = f"an order that was due at {body.terms.due_us}"
            raise RuleBrokenError("order.dates", what, f"a date after {now_us}", sent)

    def _own(self, order_id: str, kind: str, sent: Sent) -> Placed:
        if order_id not in self.orders:
            known = ", ".join(self.orders) or "none yet"
            raise RuleBrokenError("order.known", f"a {kind} of {order_id}", f"one of {known}", sent)
        return self.orders[order_id]

    def take(self, body: CustomerCommand, position: int, now_us: int, valid_us: int) -> str:
        """Let a message have its effect; return what it was about, for the receipt."""
        subject = ""
        match body:
            case PublishPart():
                subject = body.part.id
            case SubmitOrder():
                subject = f"o-{digest_of((self.participant, body.idempotency_key))[:20]}"
                self.orders[subject] = Placed(order_id=subject, order=body, position=position)
            case CancelOrder():
                subject = body.order_id
                self.advance(subject, "cancelled")
            case RequestChange():
                subject = f"{body.order_id}.q{position}"
                self.quotes[subject] = ChangeQuote(
                    quote_id=subject,
                    order_id=body.order_id,
                    participant=self.participant,
                    price_minor=0,
                    expires_us=now_us + valid_us,
                    clearing="none",
                )
            case AcceptChange():
                subject = body.quote_id
                self.accepted.add(subject)
                self.orders[body.order_id].changed = True
        self._taken[thread_of(body)] = (digest_of(body), Repeated(position=position, subject_id=subject))
        return subject

    def advance(self, order_id: str, trigger: str) -> bool:
        """Move an order; return False where its state does not allow it."""
        placed = self.orders[order_id]
        after = next_order_state(placed.state, trigger)
        if after is None:
            return False
        self.seen.add((placed.state, trigger))
        placed.state = after
        return True

    def notices(self, now_us: int) -> tuple[OrderNotice, ...]:
        """Return how each order stands."""
        return tuple(self.notice(one, now_us) for one in self.orders.values())

    def notice(self, placed: Placed, now_us: int) -> OrderNotice:
        """Return how an order stands."""
        awarded = placed.state not in {"submitted", "calling", "clearing", "cancelled"}
        return OrderNotice(
            order_id=placed.order_id,
            participant=self.participant,
            state=placed.state,
            at_us=now_us,
            charge_minor=placed.order.terms.reservation_value_minor if awarded else None,
            promised_us=placed.order.terms.due_us if awarded else None,
        )


def _content(body: SubmitOrder) -> str:
    return digest_of(replace(body, idempotency_key="-"))


def _state(placed: Placed) -> Refused:
    detail = f"the order is {placed.state}"
    return Refused(message_id="-", code="state", detail=detail, state=placed.state)
