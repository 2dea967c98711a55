"""Proofs from kept nodes equal those hashed from every leaf, from any start, and read few leaves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256

import pytest

from market import proofs
from market.merkle import Frontier, consistency_proof, inclusion_proof, root_of
from market.proofs import Proofs

LEAVES = [sha256(str(number).encode()).digest() for number in range(2_500)]


class Store:
    """The leaves as a journal holds them; counts what is read."""

    def __init__(self) -> None:
        self.read = 0

    def leaves(self, start: int, stop: int) -> Sequence[bytes]:
        self.read += stop - start
        return LEAVES[start:stop]


def grown(start: int, stop: int, *, batch: int, store: Store) -> Proofs:
    tree = Proofs(start, Frontier().extend(LEAVES[:start]).peaks, store.leaves)
    for at in range(start, stop, batch):
        tree.append(LEAVES[at : min(at + batch, stop)])
    return tree


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (0, 700), (1, 600), (255, 513), (777, 1_500), (1_024, 2_311)]
)
@pytest.mark.parametrize("recent", [proofs.RECENT, 256], ids=["all kept", "older dropped"])
def test_proofs_are_those_of_the_whole_tree(
    start: int, stop: int, recent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "RECENT", recent)
    rng = random.Random(7)
    tree = grown(start, stop, batch=37, store=Store())
    for _ in range(60):
        size = rng.randint(1, stop)
        at = rng.randrange(size)
        assert tree.inclusion(at, size) == inclusion_proof(LEAVES[:size], at)
        assert tree.consistency(at, size) == consistency_proof(LEAVES[:size], at)
        assert tree.root(size) == root_of(LEAVES[:size])
    assert tree.consistency(stop, stop) == ()


def test_a_proof_of_what_was_just_stored_reads_nothing() -> None:
    store = Store()
    tree = grown(2_000, 2_300, batch=100, store=store)
    for at in range(2_000, 2_300):
        tree.inclusion(at, 2_300)
    assert store.read == 0


def test_a_proof_of_an_old_entry_reads_one_tile_once_the_high_nodes_are_known() -> None:
    store = Store()
    tree = grown(2_304, 2_400, batch=96, store=store)
    tree.inclusion(1_299, 2_400)
    first, store.read = store.read, 0
    assert first <= 2_400
    tree._tiles.clear()
    tree.inclusion(1_300, 2_400)
    assert store.read == 256


def test_memory_of_recent_nodes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "RECENT", 256)
    tree = grown(0, 2_500, batch=50, store=Store())
    assert len(tree._levels[0][1]) // 32 < 3 * 256


@pytest.mark.parametrize(("position", "size"), [(-1, 5), (5, 5), (0, 0), (3, 11)])
def test_what_the_log_does_not_have_cannot_be_proved(position: int, size: int) -> None:
    tree = grown(0, 10, batch=10, store=Store())
    with pytest.raises(IndexError, match="was"):
        tree.inclusion(position, size)


@pytest.mark.parametrize(("first", "size"), [(6, 5), (-1, 5), (2, 11)])
def test_what_is_no_prefix_cannot_be_proved(first: int, size: int) -> None:
    tree = grown(0, 10, batch=10, store=Store())
    with pytest.raises(IndexError, match="was"):
        tree.consistency(first, size)
