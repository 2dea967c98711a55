"""The rules of what follows an award: money, watching, reallocation, reliability, changes.

Part of `market.model.rules.Rules`. Every default means what version 0.1.0 did; `STANDARD` is what a live
market and the scenarios of disruption use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from takt_sdk.model.values import DAY_US, HOUR_US, MAX_MINOR, MINUTE_US, check_choice, check_int, check_money

PPM = 1_000_000

Reallocation = Literal["joint", "greedy", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRules:
    """What holds after an award. Shares are millionths of a contract's agreed payment.

    Attributes
    ----------
    cancel_awarded_ppm, cancel_confirmed_ppm, cancel_begun_ppm
        Price of a contract that its customer cancels, by state; work that is done is paid in full.
    breach_ppm, breakdown_ppm
        Penalty of a participant that loses a contract, or the rest of it, by its fault or by a breakdown that
        it reported: a share of the payment that is lost.
    penalty_cap_ppm
        Most that a contract pays for lateness; 0 books none.
    on_account_ppm
        Share that is paid when a contract is finished; the rest follows with the settlement.
    pay_moved
        Whether the customer of an order that expires pays its carriers for what had moved; else nobody does.
    report_grace_us
        How long before the market hears of it a milestone may claim to have happened, for lateness.
    reallocation
        How work that is lost is awarded anew: ``joint`` with all open orders, ``greedy`` order by order in
        the rounds that call some of it, or ``off``: plants finish when they can, what is refused or never
        reported ends.
    tolerance_us
        Delay from which begun work is at risk; None leaves begun work alone.
    keep_late
        Whether work that would end too late, but could be there by the deadline, goes on and is held against
        the new offers, at its own price and lateness; else it is taken away at once.
    heartbeat_us
        Silence on the heartbeat subject from which a participant counts as gone; 0 = not watched.
    heartbeat_due
        Whether who never sent a heartbeat is watched too, from its first open award on (or the host's start,
        if that is later); else it is held to its reports alone.
    recall_at_once
        Whether what is at risk is called in a round of its own at once, or in the next takt.
    hurry
        Whether goods go the fastest way where they would be too late the cheapest, at its price; else they
        always go the cheapest.
    release_after
        Failed rounds after which unstarted work behind a gap is called again with it; 0 = never.
    preempt_after
        Failed rounds after which unstarted work of orders due later gives way; 0 = never.
    backups
        Most losing bids that stand by for each contract, of bidders that agreed to it on their sheet: if the
        contract is lost before its work begins, the best that still fits is awarded without a call. 0 = none.
    approve_above_minor
        Payments at risk above which a human must approve the reallocation; None = never.
    reliability_weight_ppm
        Weight of the expected lateness cost in the clearing's score.
    prior_on_time, prior_late
        What a newcomer's record starts as, in contracts.
    half_life_us
        Time in which an observation loses half of its weight.
    late_us
        Lateness that is expected of a contract which is late.
    probation_contracts, probation_value_minor
        Until so many contracts are observed, a participant may hold contracts of so much at most; 0 = off.
    quote_valid_us
        How long the price of a change holds.
    """

    cancel_awarded_ppm: int = 0
    cancel_confirmed_ppm: int = 0
    cancel_begun_ppm: int = 0
    breach_ppm: int = 0
    breakdown_ppm: int = 0
    penalty_cap_ppm: int = 0
    on_account_ppm: int = 0
    pay_moved: bool = False
    report_grace_us: int = DAY_US
    reallocation: Reallocation = "joint"
    tolerance_us: int | None = None
    keep_late: bool = False
    heartbeat_us: int = 0
    heartbeat_due: bool = False
    recall_at_once: bool = False
    hurry: bool = False
    release_after: int = 0
    preempt_after: int = 0
    backups: int = 0
    approve_above_minor: int | None = None
    reliability_weight_ppm: int = 0
    prior_on_time: int = 9
    prior_late: int = 1
    half_life_us: int = 90 * DAY_US
    late_us: int = DAY_US
    probation_contracts: int = 0
    probation_value_minor: int = 0
    quote_valid_us: int = HOUR_US

    def __post_init__(self) -> None:
        for name in _SHARES:
            check_int(name, getattr(self, name), 0, PPM)
        check_choice("reallocation", self.reallocation, get_args(Reallocation))
        for name in ("report_grace_us", "heartbeat_us"):
            check_int(name, getattr(self, name), 0, 366 * DAY_US)
        if self.tolerance_us is not None:
            check_int("tolerance_us", self.tolerance_us, 0, 366 * DAY_US)
        for name in ("release_after", "preempt_after", "probation_contracts"):
            check_int(name, getattr(self, name), 0, 1000)
        check_int("backups", self.backups, 0, 100)
        if self.approve_above_minor is not None:
            check_money("approve_above_minor", self.approve_above_minor)
        check_int("reliability_weight_ppm", self.reliability_weight_ppm, 0, 100 * PPM)
        for name in ("prior_on_time", "prior_late"):
            check_int(name, getattr(self, name), 1, 1000)
        check_int("half_life_us", self.half_life_us, DAY_US, 3660 * DAY_US)
        check_int("late_us", self.late_us, 1, 366 * DAY_US)
        check_int("probation_value_minor", self.probation_value_minor, 0, MAX_MINOR)
        check_int("quote_valid_us", self.quote_valid_us, MINUTE_US, 366 * DAY_US)


_SHARES = (
    "cancel_awarded_ppm",
    "cancel_confirmed_ppm",
    "cancel_begun_ppm",
    "breach_ppm",
    "breakdown_ppm",
    "penalty_cap_ppm",
    "on_account_ppm",
)

AS_BEFORE = ContractRules()
"""What version 0.1.0 did."""

STANDARD = ContractRules(
    cancel_confirmed_ppm=100_000,
    cancel_begun_ppm=300_000,
    breach_ppm=50_000,
    penalty_cap_ppm=200_000,
    pay_moved=True,
    tolerance_us=4 * HOUR_US,
    keep_late=True,
    heartbeat_us=25_000_000,
    recall_at_once=True,
    hurry=True,
    release_after=2,
    backups=3,
    reliability_weight_ppm=PPM,
)
"""What `takt up` sets and the scenarios of disruption start from."""
