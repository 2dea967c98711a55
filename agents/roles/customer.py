"""A customer: places the orders it has planned, at their times, and follows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.profile import CustomerProfile
from takt_sdk.model.messages import CustomerCommand, OrderNotice, SyncReply
from takt_sdk.model.values import check_time
from takt_sdk.role import Incoming, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """Something that a customer will ask of the market at ``at_us``."""

    at_us: int
    command: CustomerCommand

    def __post_init__(self) -> None:
        check_time("at_us", self.at_us)


class CustomerRole:
    """A customer as an agent.

    Intentions are carried out once; after a restart those that are due are sent again, which the
    market recognises by their idempotency keys. ``orders`` holds the last notice of each order.
    """

    def __init__(self, profile: CustomerProfile, intentions: Iterable[Intention] = ()) -> None:
        self.profile = profile
        self.participant = profile.participant
        self.orders: dict[str, OrderNotice] = {}
        self._to_come = sorted(intentions, key=lambda intention: intention.at_us)

    def handle(self, message: Incoming, now_us: int) -> tuple[Outgoing, ...]:
        """Take a message at market time ``now_us``; return what has to be sent, in order."""
        if isinstance(message, OrderNotice):
            self.orders[message.order_id] = message
        elif isinstance(message, SyncReply):
            self.orders = {notice.order_id: notice for notice in message.orders}
        due: list[Outgoing] = []
        while self._to_come and self._to_come[0].at_us <= now_us:
            due.append(Outgoing(channel="order", correlation_id="", body=self._to_come.pop(0).command))
        return tuple(due)
