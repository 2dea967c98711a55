"""The probability that a contract is on time: a decaying Beta posterior per participant and process.

Excess counts over the prior are kept in thousandths of a contract and halve in the rules' half-life;
the probability is (prior + excess on time) / (prior + excess). Integers throughout.
"""

from __future__ import annotations

from market.engine.contracting import Score
from market.engine.state import State
from market.engine.transitions import STANDING
from market.model.contract_rules import PPM, ContractRules
from takt_sdk.model.values import DAY_US

MILLI = 1000
_STEPS = 16
_STEP_PPM = 957_603
"""2^(-1/16) in millionths: decay goes in sixteenths of a half-life."""


def decayed(score: Score, rules: ContractRules, now_us: int) -> tuple[int, int]:
    """Return the excess counts (on time, late) in thousandths as they weigh at ``now_us``."""
    steps = (now_us - score.at_us) * _STEPS // rules.half_life_us
    halvings, rest = divmod(max(0, steps), _STEPS)
    on_time, late = score.on_time_milli >> min(halvings, 60), score.late_milli >> min(halvings, 60)
    for _ in range(rest):
        on_time, late = on_time * _STEP_PPM // PPM, late * _STEP_PPM // PPM
    return on_time, late


def on_time_ppm(state: State, participant: str, process: str, now_us: int) -> int:
    """Return the probability, in millionths, that a contract in a process will be on time."""
    rules = state.rules.contracts
    score = state.contracting.scores.get(participant, {}).get(process)
    on_time, late = (0, 0) if score is None else decayed(score, rules, now_us)
    on_time += rules.prior_on_time * MILLI
    return PPM * on_time // (on_time + late + rules.prior_late * MILLI)


def prior_late_ppm(state: State) -> int:
    """Return the probability that somebody without a record is late."""
    rules = state.rules.contracts
    return PPM - PPM * rules.prior_on_time // (rules.prior_on_time + rules.prior_late)


def base_rate_ppm(state: State) -> int:
    """Return the share of all observed contracts that were on time; the prior's mean before the first."""
    rules, book = state.rules.contracts, state.contracting
    on_time = rules.prior_on_time + book.observed_on_time
    return PPM * on_time // (rules.prior_on_time + rules.prior_late + book.observed_count)


def expected_lateness_minor(state: State, late_ppm: int, daily_minor: int) -> int:
    """Return what a bid's unreliability is expected to cost its order: weight × q × L × penalty per day.

    q is the probability of being late, L the rules' expected lateness in days; rounded up.
    """
    rules = state.rules.contracts
    cost = rules.reliability_weight_ppm * late_ppm * rules.late_us * daily_minor
    return -(-cost // (PPM * PPM * DAY_US))


def on_probation(state: State, participant: str) -> bool:
    """Return whether a participant's open contracts are limited in value."""
    rules = state.rules.contracts
    if not rules.probation_contracts:
        return False
    scores = state.contracting.scores.get(participant, {})
    return sum(score.observed for score in scores.values()) < rules.probation_contracts


def open_value_minor(state: State, participant: str) -> int:
    """Return what a participant's contracts that are not over are worth."""
    return sum(
        state.contracts[id_].contract.payment_minor
        for id_ in state.index.active_contracts.get(participant, ())
        if state.contracts[id_].state in STANDING
    )


def probation_left_minor(state: State, participant: str) -> int | None:
    """Return what a newcomer may still win, None where nothing limits it."""
    if not on_probation(state, participant):
        return None
    return max(0, state.rules.contracts.probation_value_minor - open_value_minor(state, participant))
