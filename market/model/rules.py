"""The rules of a market: one object, versioned in the journal, cited by every clearing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from market.model.contract_rules import AS_BEFORE, ContractRules
from takt_sdk.model.errors import InvalidChoiceError
from takt_sdk.model.values import (
    DAY_US,
    HOUR_US,
    MAX_MINOR,
    PeriodGrid,
    check_choice,
    check_count,
    check_int,
    check_participant_id,
)

Mechanism = Literal["pay_as_bid", "second_price", "vcg", "core", "uniform", "greedy"]
MECHANISMS: tuple[str, ...] = get_args(Mechanism)

Signatures = Literal["optional", "required"]

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
SECOND_US = 1_000_000
MAX_AUDITORS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What every participant has agreed to.

    Attributes
    ----------
    takt_us, response_us
        Time from one call to the next, and from a call to its deadline.
    early_close
        Whether a round closes once everybody called has answered.
    transit_us
        Transport time reserved after each lot when an order's dates are sliced.
    max_periods
        How many periods ahead of a call capacity may be declared.
    fee_ppm
        Platform fee on an order's prices, millionths.
    emissions_minor_per_tonne
        Weight of emissions in the objective, minor units per tonne CO2e.
    clearing_work, clearing_time_us
        Limits of one clearing; scenario runs use the work limit only (time 0 = none).
    acceptance_us
        Time after delivery at which an order is settled.
    confirm_us
        Time after an award within which a contract must be confirmed.
    silence_us
        Time after a contract's promised end, or its order's deadline, without the report that is due:
        then it ends and its lots are called again. Goods that were shipped are taken as received.
    idempotency_us
        How long an idempotency key is kept.
    max_lots_per_round
        Most lots called in one round, the longest waiting first; a call must fit into one message.
    max_price_minor
        Largest limit price, bid or daily penalty.
    max_horizon_us
        How far from now an order's deadline may lie.
    retention_us
        Time after its end at which an order leaves the state with its contracts, and a round after its
        close; their rows stay. An order stays as long as its idempotency key. 0 keeps everything.
    heard_us
        A round waits for no answer of a participant that was not heard of for so long. 0 waits for all.
    messages_per_s, message_burst
        How many messages a participant may send: a token bucket. 0 messages a second is no limit.
    max_message_bytes
        Largest message of a participant; 0 leaves it to the bus.
    sealed
        Whether bids are encrypted to a key of the round that is released only after its close. A sealed
        round closes at its deadline, whatever ``early_close`` says.
    price_rounds
        How often a takt is bid on: all but the last time only prices are found and told. 1 awards at once.
    tell_estimates
        Whether a participant is told, for each of its own bids that lost, the price at which it would about
        have won: an estimate from dual prices, which tells it something about its rivals.
    opening_us
        Time after a sealed round's close within which its key must be released; then the round is void.
    signatures
        Whether every message over the bus must be signed. Whoever has a key signs either way.
    auditors
        Participants of the role ``auditor`` who may read the whole log, as it is written.
    contracts
        What holds after an award: money, watching, reallocation, reliability, changes.
    """

    version: int = 1
    currency: str = "EUR"
    mechanism: Mechanism = "pay_as_bid"
    takt_us: int = 60 * SECOND_US
    response_us: int = 20 * SECOND_US
    early_close: bool = True
    periods: PeriodGrid = PeriodGrid(origin_us=0, length_us=DAY_US)
    max_periods: int = 400
    transit_us: int = 24 * HOUR_US
    fee_ppm: int = 0
    emissions_minor_per_tonne: int = 0
    clearing_work: int = 200_000
    clearing_time_us: int = 0
    acceptance_us: int = 0
    confirm_us: int = DAY_US
    silence_us: int = 3 * DAY_US
    idempotency_us: int = 7 * DAY_US
    max_open_orders_per_customer: int = 100_000
    max_bids_per_sheet: int = 20_000
    max_lots_per_round: int = 1_500
    max_price_minor: int = 10**12
    max_horizon_us: int = 1100 * DAY_US
    retention_us: int = 0
    heard_us: int = 0
    messages_per_s: int = 0
    message_burst: int = 100
    max_message_bytes: int = 0
    signatures: Signatures = "optional"
    sealed: bool = False
    price_rounds: int = 1
    tell_estimates: bool = False
    opening_us: int = 60 * SECOND_US
    auditors: tuple[str, ...] = ()
    contracts: ContractRules = AS_BEFORE

    def __post_init__(self) -> None:
        check_int("version", self.version, 1, 2**31)
        if _CURRENCY.fullmatch(self.currency) is None:
            raise InvalidChoiceError("currency", self.currency, "an ISO 4217 code such as EUR")
        check_choice("mechanism", self.mechanism, MECHANISMS)
        check_int("takt_us", self.takt_us, 1, 366 * DAY_US)
        check_int("response_us", self.response_us, 1, self.takt_us)
        check_int("max_periods", self.max_periods, 1, 10_000)
        check_int("transit_us", self.transit_us, 0, 366 * DAY_US)
        check_int("fee_ppm", self.fee_ppm, 0, 1_000_000)
        check_int("emissions_minor_per_tonne", self.emissions_minor_per_tonne, 0, 10**9)
        check_int("clearing_work", self.clearing_work, 0, 2**53 - 1)
        check_int("clearing_time_us", self.clearing_time_us, 0, DAY_US)
        check_int("acceptance_us", self.acceptance_us, 0, 366 * DAY_US)
        check_int("confirm_us", self.confirm_us, 1, 366 * DAY_US)
        check_int("silence_us", self.silence_us, 1, 366 * DAY_US)
        check_int("idempotency_us", self.idempotency_us, 7 * DAY_US, 3660 * DAY_US)
        check_int("max_open_orders_per_customer", self.max_open_orders_per_customer, 1, 10**7)
        check_int("max_bids_per_sheet", self.max_bids_per_sheet, 1, 100_000)
        check_int("max_lots_per_round", self.max_lots_per_round, 1, 100_000)
        check_int("max_price_minor", self.max_price_minor, 1, MAX_MINOR)
        check_int("max_horizon_us", self.max_horizon_us, DAY_US, 100 * 366 * DAY_US)
        check_int("retention_us", self.retention_us, 0, 100 * 366 * DAY_US)
        check_int("heard_us", self.heard_us, 0, 366 * DAY_US)
        check_int("messages_per_s", self.messages_per_s, 0, 1_000_000)
        check_int("message_burst", self.message_burst, 1, 1_000_000)
        check_int("max_message_bytes", self.max_message_bytes, 0, 2**31)
        check_int("opening_us", self.opening_us, 1, 366 * DAY_US)
        check_int("price_rounds", self.price_rounds, 1, 20)
        check_choice("signatures", self.signatures, get_args(Signatures))
        check_count("auditors", self.auditors, MAX_AUDITORS)
        for index, auditor in enumerate(self.auditors):
            check_participant_id(f"auditors[{index}]", auditor)
