"""What the scripted market says to a customer, scene by scene, and what must follow."""

from __future__ import annotations

from collections import deque

from market.conformance.orders import Placed
from market.conformance.referee import Fate
from market.conformance.rules import RuleBrokenError
from market.conformance.scenes import AGAIN, LATER, NEVER, UNREADABLE, Script, unknown_kind
from takt_sdk.model.execution import ChangeQuote
from takt_sdk.model.messages import OrderNotice
from takt_sdk.model.values import DAY_US

_NOBODYS = "o-0123456789abcdef0123"
_FOR_EVER = 1_000


class CustomerScript(Script):
    """The scenes for a participant that buys. It decides itself what it orders, changes and cancels."""

    NAMES = (
        "joining",
        "ordering",
        "refusing",
        "telling",
        "cancelling",
        "confirming",
        "quoting",
        "repeating",
        "strange",
        "delivering",
        "reconnecting",
    )

    def played(self, name: str) -> bool:
        """Return whether the setting asks for a scene."""
        wanted = {
            "refusing": self.setting.orders > 1,
            "cancelling": self.setting.cancels,
            "quoting": self.setting.changes,
        }
        return wanted.get(name, True)

    # --- pieces of scenes ----------------------------------------------------------------------

    def _late(self) -> list[str]:
        return [thread for channel, thread in self.referee.pending if channel == "order"]

    async def _placed(self, count: int) -> None:
        """Wait until ``count`` orders stand."""
        orders = self.book.bought.orders
        if await self.stage.until(lambda: len(orders) >= count and not self._late()):
            return
        if late := self._late():
            raise RuleBrokenError("retry.missing", f"'{late[0]}' did not come again", "the same bytes")
        what = f"{len(orders)} orders"
        raise RuleBrokenError("order.placed", what, f"{count} that can be taken")

    async def _tell(self, placed: Placed, *triggers: str) -> None:
        """Let an order go on as far as its state allows, with a notice each, acknowledged."""
        advance = self.book.bought.advance
        ids = [await self._notice(placed) for trigger in triggers if advance(placed.order_id, trigger)]
        await self.stage.until_acknowledged(*ids)

    async def _notice(self, placed: Placed) -> str:
        placed.notice_id = "unsent"
        notice = self.book.bought.notice(placed, self.stage.now_us())
        placed.notice_id = await self.stage.say("notice", notice, placed.order_id)
        return placed.notice_id

    async def _tell_all(self, *triggers: str) -> None:
        for placed in tuple(self.book.bought.live()):
            await self._tell(placed, *triggers)

    # --- the scenes ------------------------------------------------------------------------------

    async def ordering(self) -> None:
        """Fail on its first order, refuse it for the moment, lose its receipt; kill it, let it come back."""
        others: list[deque[Fate]] = [deque([LATER] * _FOR_EVER) for _ in range(self.setting.orders)]
        self.referee.new_orders = deque([deque(["failed", AGAIN, AGAIN, LATER, "lost"]), *others])
        orders = self.book.bought.orders
        if not await self.stage.until(lambda: bool(orders)):
            await self._placed(1)
        await self.stage.partner.kill()
        self.referee.new_orders = deque([deque([NEVER])] if self.setting.orders > 1 else [])
        await self.stage.rejoin(self.stage.now_us())
        await self.stage.quiet()

    async def refusing(self) -> None:
        """Refuse its second order for good, under a code that no page names."""
        if not await self.stage.until(lambda: self.book.bought.refused > 0):
            raise RuleBrokenError("order.placed", "no second order", f"{self.setting.orders} orders")
        await self.stage.quiet()

    async def telling(self) -> None:
        """Take its other orders; call, clear and award them."""
        await self._placed(max(1, self.setting.orders - 1))
        await self._tell_all("called", "closed")
        if self.setting.cancels:
            self.referee.fates["order", "*"] = deque(["failed", AGAIN])
        await self._tell_all("awarded")

    async def cancelling(self) -> None:
        """Wait for it to cancel an order; fail on that, refuse it for the moment, then take it."""
        orders = self.book.bought.orders

        def cancelled() -> list[Placed]:
            return [one for one in orders.values() if one.state == "cancelled"]

        if not await self.stage.until(lambda: bool(cancelled()) and not self._late()):
            if late := self._late():
                raise RuleBrokenError("retry.missing", f"'{late[0]}' did not come again", "the same bytes")
            raise RuleBrokenError("order.cancelled", "no takt.cancel_order.v1", "one of an order of its own")
        await self.stage.until_acknowledged(await self._notice(cancelled()[0]))

    async def confirming(self) -> None:
        """Let its orders be confirmed."""
        self.referee.fates.pop(("order", "*"), None)
        if self.setting.changes:
            self.referee.fates["order", "*"] = deque(["failed", AGAIN])
        await self._tell_all("confirmed")

    async def quoting(self) -> None:
        """Wait for it to ask what a change costs, name a price of nothing, wait for it to accept."""
        bought = self.book.bought
        if not await self.stage.until(lambda: bool(bought.quotes) and not self._late()):
            if late := self._late():
                raise RuleBrokenError("retry.missing", f"'{late[0]}' did not come again", "the same bytes")
            raise RuleBrokenError("change.asked", "no takt.request_change.v1", "one of an order of its own")
        quote = next(iter(bought.quotes.values()))
        message_id = await self.stage.say("notice", quote, quote.order_id)
        if not await self.stage.until(lambda: quote.quote_id in bought.accepted and not self._late()):
            raise RuleBrokenError(
                "change.asked", f"{quote.quote_id} was not accepted", "takt.accept_change.v1"
            )
        await self.stage.until_acknowledged(message_id)

    async def repeating(self) -> None:
        """Deliver its last notices a second time."""
        why = "after its notice came a second time"
        for placed in self.book.bought.orders.values():
            for word in ("cancel", "change"):
                self.referee.forbidden[f"{word} {placed.order_id}"] = ("mailbox.repeat", why)
            await self.stage.again(placed.notice_id)
            await self.stage.until_acknowledged(placed.notice_id)
        await self.stage.quiet()
        self.referee.forbidden.clear()

    async def strange(self) -> None:
        """Say what nobody can expect: an unknown kind, no JSON, an order and a price of nobody."""
        name, now_us = self.setting.participant, self.stage.now_us()
        notice = OrderNotice(order_id=_NOBODYS, participant=name, state="awarded", at_us=now_us)
        quote = ChangeQuote(
            quote_id=f"{_NOBODYS}.q1",
            order_id=_NOBODYS,
            participant=name,
            price_minor=0,
            expires_us=now_us + DAY_US,
            clearing="none",
        )
        ids = [
            await self.stage.put("notice", unknown_kind(now_us), "m-unknown"),
            await self.stage.put("notice", UNREADABLE, "m-broken"),
            await self.stage.say("notice", notice, _NOBODYS),
            await self.stage.say("notice", quote, _NOBODYS),
        ]
        await self.stage.until_acknowledged(*ids)
        await self.stage.quiet()

    async def delivering(self) -> None:
        """Let what it ordered be made, shipped, delivered and settled."""
        await self._tell_all("started", "shipped", "delivered", "settled")
        await self.stage.quiet()

    async def reconnecting(self) -> None:
        """Restart the server; then tell it once more how an order stands."""
        await self.stage.restart_server()
        placed = next(iter(self.book.bought.orders.values()))
        message_id = await self._notice(placed)
        if not await self.stage.until(lambda: message_id in self.referee.acknowledged):
            raise RuleBrokenError("life.reconnect", "a notice was not acknowledged", "an acknowledgement")
