"""The escrow's rule: which key it makes, and on what proof it gives the private half away.

Whoever runs it holds keys and no bids; the market holds bids and no keys. Stores keep; nothing here
waits or sends.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from market.errors import EscrowRefusedError
from market.leaf import entry_leaf
from market.merkle import verify_inclusion
from market.ports import CloseProof
from takt_sdk.sealing import public_key
from takt_sdk.signing import head_bytes, is_signed

CLOSED = "takt.round_closed.v1"

NewKey = Callable[[str, str], str]
"""Makes the private key (hex) of a (market, round)."""


class KeyStore(Protocol):
    """Where an escrow keeps its keys, and why it gave them away."""

    def read(self, name: str) -> str | None:
        """Return a key, or None."""
        ...

    def write(self, name: str, key: str) -> None:
        """Keep a key, durably."""
        ...

    def delete(self, name: str) -> None:
        """Delete a key; idempotent."""
        ...

    def note_release(self, name: str, record: str) -> None:
        """Keep the reason of a release, durably; the first one stands."""
        ...


class EscrowKeys:
    """The keys of sealed rounds.

    With a ``market_key`` only a head that it signed proves a close. ``now_us`` dates the releases.
    """

    def __init__(
        self,
        store: KeyStore,
        new_key: NewKey,
        *,
        market_key: str = "",
        now_us: Callable[[], int] = lambda: 0,
    ) -> None:
        self._store, self._new_key = store, new_key
        self._market_key, self._now_us = market_key, now_us

    def public_key(self, market: str, round_id: str) -> str:
        """Return the public half of a round's key; it is made and kept on the first request."""
        name = _name(market, round_id)
        key = self._store.read(name)
        if key is None:
            key = self._new_key(market, round_id)
            self._store.write(name, key)
        return public_key(key)

    def release(self, proof: CloseProof) -> str:
        """Return the private half once the close is proven.

        Raises
        ------
        EscrowRefusedError
            If it is not, or there is no such key.
        """
        name = _name(proof.market, proof.round_id)
        key = self._store.read(name)
        if key is None:
            raise EscrowRefusedError(f"no key of {proof.round_id} is kept here")
        self._check(proof)
        close, head = proof.close, proof.head
        record = {
            "market": proof.market,
            "round_id": proof.round_id,
            "released_us": self._now_us(),
            "position": close.position,
            "leaf": close.leaf.hex(),
            "size": head.size,
            "root": head.root.hex(),
            "at_us": head.at_us,
            "signature": head.signature.hex(),
        }
        self._store.note_release(name, json.dumps(record))
        return key

    def forget(self, market: str, round_id: str) -> None:
        """Delete a round's key."""
        self._store.delete(_name(market, round_id))

    def _check(self, proof: CloseProof) -> None:
        close, head = proof.close, proof.head
        if entry_leaf(close.entry, close.salt) != close.leaf:
            raise EscrowRefusedError(f"the entry at {close.position} does not have its leaf")
        closed = any(
            event.get("kind") == CLOSED and event.get("round_id") == proof.round_id
            for event in json.loads(close.entry.events)
        )
        if not closed:
            raise EscrowRefusedError(f"the entry at {close.position} does not close {proof.round_id}")
        if not verify_inclusion(
            leaf=close.leaf, index=close.position, size=head.size, root=head.root, proof=proof.path
        ):
            raise EscrowRefusedError(f"the tree of {head.size} entries does not hold the close")
        signed = head_bytes(proof.market, head.size, head.root, head.at_us)
        if self._market_key and not is_signed(self._market_key, head.signature, signed):
            raise EscrowRefusedError(f"the head of {head.size} entries is not signed by {self._market_key}")


def _name(market: str, round_id: str) -> str:
    return hashlib.sha256(f"{market}\n{round_id}".encode()).hexdigest()


def seeded_keys(seed: int) -> NewKey:
    """Return keys that follow from a scenario's seed: the same in every run, secret to nobody."""

    def make(market: str, round_id: str) -> str:
        return hashlib.sha256(f"scenario {seed} seals {market}/{round_id}".encode()).hexdigest()

    return make


@dataclass(slots=True)
class MemoryKeyStore:
    """Keys in memory: gone with the process."""

    keys: dict[str, str] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> str | None:
        """Return a key, or None."""
        return self.keys.get(name)

    def write(self, name: str, key: str) -> None:
        """Keep a key."""
        self.keys[name] = key

    def delete(self, name: str) -> None:
        """Delete a key."""
        self.keys.pop(name, None)

    def note_release(self, name: str, record: str) -> None:
        """Keep the reason of a release."""
        self.released.setdefault(name, record)


class FileKeyStore:
    """A file per key, readable by its owner only, and one per release that stays."""

    def __init__(self, folder: Path) -> None:
        self._keys, self._released = folder / "keys", folder / "released"
        for part in (self._keys, self._released):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self, name: str) -> str | None:
        """Return a key, or None."""
        try:
            return (self._keys / name).read_text()
        except FileNotFoundError:
            return None

    def write(self, name: str, key: str) -> None:
        """Keep a key, durably."""
        _write(self._keys / name, key)

    def delete(self, name: str) -> None:
        """Delete a key."""
        (self._keys / name).unlink(missing_ok=True)
        _sync(self._keys)

    def note_release(self, name: str, record: str) -> None:
        """Keep the reason of a release, durably."""
        file = self._released / f"{name}.json"
        if not file.exists():
            _write(file, record)


def _write(file: Path, text: str) -> None:
    """Write a file so that it is there in whole or not at all, also after a loss of power."""
    draft = file.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    _sync(file.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
