"""Keys of companies in tests: the same for the same name, in every run."""

from __future__ import annotations

from hashlib import sha256

from takt_sdk.signing import Signer, account_seed, user_seed


def signer_of(name: str) -> Signer:
    """Return the signer of a company."""
    return Signer(seed_of(name))


def seed_of(name: str) -> str:
    """Return the nkey seed of a company."""
    return user_seed(sha256(f"test key of {name}".encode()).digest())


def market_signer(name: str = "demo") -> Signer:
    """Return the signer of a market's tree heads."""
    return Signer(account_seed(sha256(f"test key of market {name}".encode()).digest()))
