"""The escrow inside the market's own process: for scenarios and tests, which keep no secrets."""

from __future__ import annotations

from market.adapters.escrow_keys import EscrowKeys, MemoryKeyStore, NewKey
from market.errors import EscrowUnavailableError
from market.ports import CloseProof


class MemoryEscrow:
    """`market.ports.Escrow` in memory. ``is_dead`` makes it answer nobody."""

    def __init__(self, new_key: NewKey, *, market_key: str = "") -> None:
        self.store = MemoryKeyStore()
        self.keys = EscrowKeys(self.store, new_key, market_key=market_key)
        self.is_dead = False

    async def public_key(self, market: str, round_id: str) -> str:
        """Return the public half of a round's key."""
        self._answer()
        return self.keys.public_key(market, round_id)

    async def release(self, proof: CloseProof) -> str:
        """Return the private half once the close is proven."""
        self._answer()
        return self.keys.release(proof)

    async def forget(self, market: str, round_id: str) -> None:
        """Delete a round's key."""
        self._answer()
        self.keys.forget(market, round_id)

    async def close(self) -> None:
        """Nothing was started."""

    def _answer(self) -> None:
        if self.is_dead:
            raise EscrowUnavailableError("the escrow does not answer")
