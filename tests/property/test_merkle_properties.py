"""Merkle trees against the recursive definition of RFC 6962, and proofs that lie."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from market.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

MAX_LEAVES = 70
sizes = st.integers(min_value=1, max_value=MAX_LEAVES)


def leaves_of(size: int, *, label: str = "leaf") -> list[bytes]:
    return [leaf_hash(f"{label} {number}".encode()) for number in range(size)]


def root_by_definition(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(root_by_definition(leaves[:split]), root_by_definition(leaves[split:]))


@given(size=st.integers(min_value=0, max_value=MAX_LEAVES))
def test_root_equals_the_definition(size: int) -> None:
    leaves = leaves_of(size)
    assert root_of(leaves) == root_by_definition(leaves)


@given(cuts=st.lists(st.integers(min_value=0, max_value=20), max_size=8))
def test_frontier_does_not_depend_on_how_leaves_are_batched(cuts: list[int]) -> None:
    leaves = leaves_of(sum(cuts))
    frontier, start = Frontier(), 0
    for cut in cuts:
        frontier = frontier.extend(leaves[start : start + cut])
        start += cut
        assert frontier.root() == root_by_definition(leaves[:start])
    assert frontier == Frontier().extend(leaves)


@given(data=st.data(), size=sizes)
def test_every_leaf_is_provable(data: st.DataObject, size: int) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    proof = inclusion_proof(leaves, index)
    assert len(proof) <= (size - 1).bit_length()
    assert verify_inclusion(leaf=leaves[index], index=index, size=size, root=root_of(leaves), proof=proof)


@given(data=st.data(), size=sizes)
def test_a_leaf_that_is_not_there_is_not_provable(data: st.DataObject, size: int) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    claimed = data.draw(st.integers(min_value=0, max_value=size + 2).filter(lambda at: at != index))
    proof = inclusion_proof(leaves, index)
    root = root_of(leaves)
    assert not verify_inclusion(leaf=leaf_hash(b"other"), index=index, size=size, root=root, proof=proof)
    assert not verify_inclusion(leaf=leaves[index], index=claimed, size=size, root=root, proof=proof)
    assert not verify_inclusion(
        leaf=leaves[index], index=index, size=size, root=leaf_hash(b"root"), proof=proof
    )


@given(data=st.data(), size=st.integers(min_value=2, max_value=MAX_LEAVES))
def test_a_damaged_inclusion_proof_fails(data: st.DataObject, size: int) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    proof = inclusion_proof(leaves, index)
    at = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
    root = root_of(leaves)
    for damaged in (
        (*proof[:at], leaf_hash(b"damage"), *proof[at + 1 :]),
        proof[:at] + proof[at + 1 :],
        (*proof, leaf_hash(b"more")),
    ):
        assert not verify_inclusion(leaf=leaves[index], index=index, size=size, root=root, proof=damaged)


@given(data=st.data(), second=sizes)
def test_growth_is_provable(data: st.DataObject, second: int) -> None:
    leaves = leaves_of(second)
    first = data.draw(st.integers(min_value=0, max_value=second))
    assert verify_consistency(
        first_size=first,
        first_root=root_of(leaves[:first]),
        second_size=second,
        second_root=root_of(leaves),
        proof=consistency_proof(leaves, first),
    )


@given(data=st.data(), second=st.integers(min_value=2, max_value=MAX_LEAVES))
def test_a_rewritten_history_is_not_provable(data: st.DataObject, second: int) -> None:
    leaves = leaves_of(second)
    first = data.draw(st.integers(min_value=1, max_value=second - 1))
    changed = data.draw(st.integers(min_value=0, max_value=first - 1))
    forked = [*leaves]
    forked[changed] = leaf_hash(b"rewritten")
    for honest_first, honest_second in ((leaves, forked), (forked, leaves)):
        assert not verify_consistency(
            first_size=first,
            first_root=root_of(honest_first[:first]),
            second_size=second,
            second_root=root_of(honest_second),
            proof=consistency_proof(honest_second, first),
        )


@given(data=st.data(), second=st.integers(min_value=2, max_value=MAX_LEAVES))
def test_a_damaged_consistency_proof_fails(data: st.DataObject, second: int) -> None:
    leaves = leaves_of(second)
    first = data.draw(st.integers(min_value=1, max_value=second - 1))
    proof = consistency_proof(leaves, first)
    at = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
    for damaged in (
        (*proof[:at], leaf_hash(b"damage"), *proof[at + 1 :]),
        proof[:at] + proof[at + 1 :],
        (*proof, leaf_hash(b"more")),
    ):
        assert not verify_consistency(
            first_size=first,
            first_root=root_of(leaves[:first]),
            second_size=second,
            second_root=root_of(leaves),
            proof=damaged,
        )
