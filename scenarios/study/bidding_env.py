"""A plant's bidding as a Gymnasium environment on the simulator (extra ``takt[rl]``).

One agent sets one plant's margin, takt by takt; everybody else bids as the scenario says. An episode is a run
of the scenario with the seed of ``reset``: the same seed and actions give the same episode. Rewards are the
plant's profit of the takt in thousands of minor units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.policies.cost_plus import CostPlus
from agents.policies.policy import Ask, Lesson
from agents.profile import ONE_PPM, PlantProfile, Pricing
from agents.roles.plant import PlantRole
from scenarios.population import Population, build
from scenarios.scenario import Case
from scenarios.simulator import Simulation
from takt_sdk.wall_clock import WallClock

MARGINS_PPM = (0, 50_000, 100_000, 200_000, 300_000, 500_000, 800_000, 1_200_000)
"""What an action means."""
SCALE_MINOR = 1_000
"""Minor units in a reward of 1."""

Observation = NDArray[np.float32]


class _Steered(CostPlus):
    """Asks the margin that it was given last, and keeps what came of it."""

    def __init__(self, participant: str, pricing: Pricing) -> None:
        super().__init__(participant, pricing)
        self.margin = pricing.margin_ppm
        self.lessons: list[Lesson] = []

    def margin_ppm(self, ask: Ask) -> int:  # noqa: ARG002 - the agent knows nothing of the ask
        """Return the margin as set."""
        return self.margin

    def learn(self, lesson: Lesson) -> None:
        """Keep the lesson for the next observation."""
        self.lessons.append(lesson)


class BiddingEnv(gym.Env[Observation, np.int64]):
    """One plant of a scenario, bidding.

    Observations are five numbers in [0, 1]: the share of the horizon that has passed, the share of the
    plant's lots won in the last round it bid in, its last margin as a share of the largest, the share of its
    contracts that are not yet finished, and 1 where it has bid at all.

    Parameters
    ----------
    case
        The scenario; a sweep's variants will do.
    plant
        Which plant is steered.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's own attribute

    def __init__(self, case: Case, plant: str) -> None:
        self._case, self._plant = case, plant
        self.action_space = spaces.Discrete(len(MARGINS_PPM))
        self.observation_space = spaces.Box(0.0, 1.0, shape=(5,), dtype=np.float32)
        self._simulation: Simulation | None = None

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - gymnasium's signature
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; without a seed a fresh one is drawn from the last."""
        super().reset(seed=seed)
        episode = int(self.np_random.integers(2**31)) if seed is None else seed
        population = _steered(build(self._case, seed=episode), self._plant)
        self._simulation = Simulation(population, stopwatch=WallClock())
        self._steps: Iterator[int] = self._simulation.steps()
        role = self._simulation.companies[self._plant].role
        assert isinstance(role, PlantRole)
        self._policy = _Steered(self._plant, role.pricing)
        role.policy = self._policy
        self._beats = max(1, population.rules.takt_us // population.beat_us)
        self._seen = 0
        return self._observation(), {"seed": episode}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Ask a margin for one takt; return what came of it."""
        assert self._simulation is not None, "reset comes first"
        self._policy.margin = MARGINS_PPM[int(action)]
        over = False
        for _ in range(self._beats):
            if next(self._steps, None) is None:
                over = True
                break
        lessons = self._policy.lessons[self._seen :]
        self._seen += len(lessons)
        profit = sum(lesson.payment_minor - lesson.cost_minor for lesson in lessons)
        return self._observation(), profit / SCALE_MINOR, over, False, {"profit_minor": profit}

    def _observation(self) -> Observation:
        assert self._simulation is not None
        population = self._simulation.population
        span = max(1, population.end_us - population.start_us)
        last = self._policy.lessons[-1].offers if self._policy.lessons else ()
        own = [
            known
            for known in self._simulation.kernel.state.contracts.values()
            if known.contract.participant == self._plant
        ]
        unfinished = sum(known.state in {"awarded", "confirmed", "in_production"} for known in own)
        values = (
            (self._simulation.now_us - population.start_us) / span,
            sum(offer.won for offer in last) / max(1, len(last)),
            self._policy.margin / MARGINS_PPM[-1],
            unfinished / max(1, len(own)),
            float(bool(self._policy.lessons)),
        )
        return np.clip(np.array(values, dtype=np.float32), 0.0, 1.0)


def _steered(population: Population, plant: str) -> Population:
    """Return the population; raises `KeyError` where it has no such plant."""
    for profile in population.profiles:
        if isinstance(profile, PlantProfile) and profile.participant == plant:
            return population
    raise KeyError(plant)


class TabularLearner:
    """Learns the margin that earns most per episode: a running mean per margin, explored ε-greedily.

    The smallest learner there is, to have something that a better one must beat.
    """

    def __init__(self, seed: int, epsilon_ppm: int = 200_000) -> None:
        self._chance = np.random.default_rng(seed)
        self._epsilon = epsilon_ppm / ONE_PPM
        self.counts = np.zeros(len(MARGINS_PPM))
        self.means = np.zeros(len(MARGINS_PPM))

    def best(self) -> int:
        """Return the action with the highest mean."""
        return int(np.argmax(np.where(self.counts > 0, self.means, -np.inf)))

    def train(self, env: BiddingEnv, seeds: Sequence[int]) -> None:
        """Play one episode per seed, each with one margin throughout."""
        for seed in seeds:
            untried = np.flatnonzero(self.counts == 0)
            if len(untried):
                action = int(untried[0])
            elif self._chance.random() < self._epsilon:
                action = int(self._chance.integers(len(MARGINS_PPM)))
            else:
                action = self.best()
            earned = episode(env, seed, action)
            self.counts[action] += 1
            self.means[action] += (earned - self.means[action]) / self.counts[action]


def episode(env: BiddingEnv, seed: int, action: int) -> float:
    """Return the reward of an episode in which one margin is asked throughout."""
    env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        _, reward, over, _, _ = env.step(np.int64(action))
        total += reward
    return total
