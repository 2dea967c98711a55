from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from scenarios.scenario import Case, load_scenario
from scenarios.study.bidding_env import MARGINS_PPM, BiddingEnv, TabularLearner, episode
from scenarios.study.variant import with_settings

LIBRARY = Path(__file__).resolve().parents[4] / "scenarios" / "library"
COST_PLUS = MARGINS_PPM.index(100_000)


@pytest.fixture(scope="module")
def case() -> Case:
    """Return a week in which two mills share what one could not do: there is something to learn."""
    demand = {
        "orders": 8,
        "days": 3,
        "slack_hours": {"low": 48, "typical": 96, "high": 168},
        "limit_ppm": {"low": 1_200_000, "typical": 1_600_000, "high": 2_200_000},
        "parts": [
            {
                "part": "plate",
                "weight": 1,
                "quantity": {"low": 20, "typical": 50, "high": 90},
                "window_hours": {"low": 240, "typical": 336, "high": 480},
            }
        ],
    }
    return with_settings(load_scenario(LIBRARY / "smoke"), {"demand": demand, "orders": None})


def test_gymnasiums_own_checker_finds_nothing_wrong(case: Case) -> None:
    check_env(BiddingEnv(case, "cologne-mill"), skip_render_check=True)


def test_the_same_seed_and_actions_give_the_same_episode(case: Case) -> None:
    env = BiddingEnv(case, "cologne-mill")
    assert episode(env, 3, COST_PLUS) == episode(env, 3, COST_PLUS)
    observation, info = env.reset(seed=3)
    assert info == {"seed": 3}
    assert observation.dtype == np.float32
    with pytest.raises(KeyError, match="no-such-plant"):
        BiddingEnv(case, "no-such-plant").reset(seed=1)


def test_a_tabular_learner_earns_more_than_cost_plus(case: Case) -> None:
    env = BiddingEnv(case, "cologne-mill")
    learner = TabularLearner(seed=1)
    learner.train(env, range(100, 130))
    held_out = range(12)
    learnt = [episode(env, seed, learner.best()) for seed in held_out]
    default = [episode(env, seed, COST_PLUS) for seed in held_out]
    assert sum(learnt) > 1.2 * sum(default) > 0
