"""Seals a company's answers where the call asks for it, after checking them as the market will.

Nobody reads a sealed sheet before the close, so what is wrong with it must be found here. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from takt_sdk.codec import encode
from takt_sdk.model.messages import CallForProposals, DeclineCall
from takt_sdk.model.sealed import SealedSheet
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.sheet_check import SheetFault, SheetTerms, faults
from takt_sdk.sealing import KEY_BYTES, SealedAnswer, seal
from takt_sdk.wall_clock import OsEntropy

_KEPT = 16
"""Calls remembered: one is open at a time, and a late answer to the last ones is refused anyway."""

OneTime = Callable[[bytes], bytes]
"""Makes the 32 secret bytes that seal one answer; a simulation makes them of the answer's encoding."""


class InvalidSheetError(Exception):
    """The market would refuse a bid of this sheet once it is opened.

    Attributes
    ----------
    fault
        The first one.
    """

    def __init__(self, fault: SheetFault) -> None:
        self.fault = fault
        super().__init__(f"{fault.field} {fault.detail}; was {fault.value!r}")


def terms_of(call: CallForProposals) -> SheetTerms:
    """Return what a sheet is held against that answers a call."""
    return SheetTerms(
        deadline_us=call.deadline_us,
        first_period=call.periods.index(call.opened_us),
        max_periods=call.max_periods,
        max_bids=call.max_bids,
        max_price_minor=call.max_price_minor,
        emissions_minor_per_tonne=call.emissions_minor_per_tonne,
        sites=call.sites,
        lots={lot.id: lot for lot in call.lots},
    )


class Sealer:
    """Knows the calls of one company and seals what answers them."""

    def __init__(self, sender: str, one_time: OneTime | None = None) -> None:
        self._sender = sender
        self._one_time = one_time or _secret
        self._calls: dict[str, CallForProposals] = {}

    def called(self, call: CallForProposals) -> None:
        """Take note of a call, before it is answered."""
        self._calls[call.round_id] = call
        while len(self._calls) > _KEPT:
            del self._calls[next(iter(self._calls))]

    def sealed(self, body: BidSheet | DeclineCall, sequence: int) -> BidSheet | DeclineCall | SealedSheet:
        """Return what goes out for an answer: itself where its call asks for no seal.

        Raises
        ------
        InvalidSheetError
            If the market would refuse some of it after opening.
        BusPayloadError
            If it is larger than the largest sealed size.
        """
        call = self._calls.get(body.round_id)
        if call is None or not call.sealing_key:
            return body
        if isinstance(body, BidSheet):
            fault = next(faults(body, terms_of(call)), None)
            if fault is not None:
                raise InvalidSheetError(fault)
        answer = SealedAnswer(
            market=call.market,
            round_id=call.round_id,
            sender=self._sender,
            sequence=sequence,
            answer=body,
        )
        one_time = self._one_time(encode(answer))
        return seal(answer, call.sealing_key, least=call.sealed_size, one_time=one_time)


def _secret(_content: bytes) -> bytes:
    return OsEntropy().token(KEY_BYTES)
