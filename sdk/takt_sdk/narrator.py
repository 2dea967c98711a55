"""What happens to a company on the market, in one line each, for the people who watch its agent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import (
    CallForProposals,
    ContractAmended,
    ContractNotice,
    DeclineCall,
    OrderNotice,
    Receipt,
    ReportBreakdown,
    ReportMilestone,
    RoundResult,
    SubmitOrder,
    SyncReply,
)
from takt_sdk.model.sheet import BidSheet
from takt_sdk.role import Incoming, Outgoing

Tell = Callable[[str], None]

_HUNDRED = 100


def silent(_line: str) -> None:
    """Tell nobody."""


class Narrator:
    """Tells what a company hears and says; money in the currency of the calls."""

    def __init__(self, tell: Tell = silent) -> None:
        self.tell = tell
        self._currency = ""

    def connected(self, reply: SyncReply) -> None:
        """Tell how things stand after connecting."""
        running = sum(status.state not in {"ended", "settled"} for status in reply.contracts)
        self.tell(f"connected: {len(reply.calls)} open calls, {running} contracts running")

    def credentials(self, expires_us: int | None) -> None:
        """Tell when the credentials of a connection end, if they do."""
        if expires_us is not None:
            self.tell(f"credentials end {_time(expires_us)}")

    def heard(self, message: Incoming) -> None:
        """Tell what came from the market."""
        match message:
            case CallForProposals():
                self._currency = message.currency
                until = _time(message.deadline_us)
                self.tell(f"called {message.round_id}: {len(message.lots)} lots, answer by {until}")
            case RoundResult():
                for contract in message.awards:
                    self.tell(f"won {contract.id}: {self._contract(contract)}")
                if not message.awards:
                    self.tell(f"lost {message.round_id}: none of {len(message.rejected)} bids accepted")
                elif message.rejected:
                    self.tell(f"lost {message.round_id}: {len(message.rejected)} other bids")
                if message.standing_by:
                    self.tell(f"standing by in {message.round_id}: {', '.join(message.standing_by)}")
            case ContractNotice():
                paid = f", {self._money(message.payment_minor)}" if message.payment_minor else ""
                why = f": {message.reason}" if message.reason else ""
                self.tell(f"{message.contract_id} {message.state}{paid}{why}")
            case ContractAmended():
                ways = self._ways(message.contract)
                self.tell(f"{message.contract.id} amended: {ways or 'nothing is to be shipped'}")
            case OrderNotice():
                self.tell(f"{message.order_id} {message.state}")
            case _:
                pass

    def said(self, out: Outgoing, receipt: Receipt) -> None:
        """Tell what the market has taken."""
        match out.body:
            case BidSheet():
                lots = len(set(out.body.bids.item_lot))
                prices = [bid.price_minor(sum(q for _, q in bid.items)) for bid in out.body]
                low = f", from {self._money(min(prices))}" if prices else ""
                self.tell(f"bid in {out.body.round_id}: {len(out.body.bids)} bids on {lots} lots{low}")
            case DeclineCall():
                self.tell(f"declined {out.body.round_id}: {out.body.code}")
            case ReportMilestone():
                self.tell(f"{out.body.contract_id} {out.body.milestone}")
            case ReportBreakdown():
                self.tell(f"breakdown of {out.body.resource} reported")
            case SubmitOrder():
                self.tell(f"ordered {receipt.subject_id}")
            case _:
                pass

    def _contract(self, contract: Contract) -> str:
        items = ", ".join(f"{item.quantity} of {item.lot_id}" for item in contract.items)
        dates = f"{_time(contract.start_us)} to {_time(contract.end_us)}"
        ways = self._ways(contract)
        return f"{items} for {self._money(contract.payment_minor)}, {dates}{ways and f', {ways}'}"

    def _ways(self, contract: Contract) -> str:
        """Say where the goods of a contract go; what goes to itself goes nowhere."""
        leaving = [one for one in contract.shipments if one.to_contract != contract.id]
        return ", ".join(
            f"{one.quantity} to {one.to_site}{' for the customer' if one.to_contract is None else ''}"
            for one in leaving
        )

    def _money(self, minor: int) -> str:
        return f"{minor // _HUNDRED:,}.{minor % _HUNDRED:02d} {self._currency}".strip()


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
