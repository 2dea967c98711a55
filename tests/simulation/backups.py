"""What bids agreed to that stand by, as an outsider reads it from the journal."""

from __future__ import annotations

from market.model.contract_events import BackupAwarded
from takt_sdk.model.sheet import BidSheet


class Backups:
    """The sheets that stand by, the last of each participant and round."""

    def __init__(self) -> None:
        self._sheets: dict[tuple[str, str], BidSheet] = {}

    def take(self, participant: str, sheet: BidSheet) -> None:
        """Remember a sheet in place of the one before."""
        self._sheets.pop((sheet.round_id, participant), None)
        if sheet.stands_by:
            self._sheets[sheet.round_id, participant] = sheet

    def wrong(self, event: BackupAwarded) -> str:
        """Return what is wrong with an award; empty if nothing is.

        A bid that is awarded later agreed to stand by, still binds, begins from now on, is paid its price.
        """
        for contract in event.contracts:
            name = f"{contract.participant}/{contract.bid_id} of {contract.round_id}"
            sheet = self._sheets.get((contract.round_id, contract.participant))
            if sheet is None:
                return f"{name} never agreed to stand by"
            bid = next(one for one in sheet if one.id == contract.bid_id)
            price_minor = bid.price_minor(sum(item.quantity for item in contract.items))
            if contract.payment_minor != price_minor:
                return f"{name} is paid {contract.payment_minor}, not {price_minor}"
            if not event.at_us < sheet.expires_us or contract.start_us < event.at_us:
                dates = (sheet.expires_us, contract.start_us)
                return f"{name} expires and begins at {dates}, and is awarded at {event.at_us}"
        return ""
