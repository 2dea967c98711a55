"""The lottery of each round: a secret that is committed to in the call, and the seed made from it.

In a live market the secret comes from a key that never leaves the market and the seed also depends on
the close entry's hash, so nobody, the market included, can choose it. In a scenario both follow from the
scenario's seed. Draws nothing itself.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from market.engine.lottery import commitment, seed_of
from market.engine.state import State


class Lottery:
    """Secrets and seeds of a market's rounds; the same after a restart.

    ``key`` is 32 secret bytes of a live market; a scenario's rounds do not use it.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def secret(self, state: State, number: int) -> str:
        """Return the secret (hex) of round ``number``."""
        key = self._key if state.seed is None else f"scenario {state.seed}".encode()
        return hmac.new(key, f"{state.market}/{number}".encode(), sha256).hexdigest()

    def next_commitment(self, state: State) -> str:
        """Return what the next round's call commits to."""
        return commitment(self.secret(state, state.next_round_number))

    def seed(self, state: State, number: int, close_leaf: bytes) -> int:
        """Return the seed of round ``number``, an integer below 2^53."""
        return seed_of(self.secret(state, number), close_leaf if state.seed is None else b"")
