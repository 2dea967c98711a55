"""Merkle trees against the vectors that Certificate Transparency logs publish for RFC 6962."""

from __future__ import annotations

import pytest

from market.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

DATA = tuple(
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
)
LEAVES = tuple(leaf_hash(data) for data in DATA)
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


@pytest.mark.parametrize("size", range(9))
def test_roots_equal_the_published_ones(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]


def test_empty_root_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == ROOTS[0]
    assert Frontier().root() == EMPTY_ROOT


def test_leaf_and_node_hashes_are_apart() -> None:
    left, right = LEAVES[:2]
    assert node_hash(left, right) != leaf_hash(left + right)


def test_inclusion_proof_of_leaf_5_of_8() -> None:
    expected = (
        LEAVES[4],
        node_hash(LEAVES[6], LEAVES[7]),
        root_of(LEAVES[:4]),
    )
    assert inclusion_proof(LEAVES, 5) == expected


def test_consistency_proof_from_6_to_8() -> None:
    expected = (root_of(LEAVES[4:6]), root_of(LEAVES[6:8]), root_of(LEAVES[:4]))
    assert consistency_proof(LEAVES, 6) == expected


def test_consistency_proof_from_a_complete_tree_leaves_out_its_root() -> None:
    assert consistency_proof(LEAVES, 4) == (root_of(LEAVES[4:8]),)


@pytest.mark.parametrize("first_size", [0, 8])
def test_consistency_with_nothing_and_with_itself_needs_no_proof(first_size: int) -> None:
    assert consistency_proof(LEAVES, first_size) == ()
    assert verify_consistency(
        first_size=first_size,
        first_root=root_of(LEAVES[:first_size]),
        second_size=8,
        second_root=root_of(LEAVES),
        proof=(),
    )


@pytest.mark.parametrize("index", [-1, 8])
def test_a_leaf_outside_the_tree_has_no_proof(index: int) -> None:
    with pytest.raises(IndexError, match=rf"index must be in \[0, 8\); was {index}"):
        inclusion_proof(LEAVES, index)


@pytest.mark.parametrize("first_size", [-1, 9])
def test_a_larger_tree_has_no_consistency_proof(first_size: int) -> None:
    with pytest.raises(IndexError, match=rf"first_size must be in \[0, 8\]; was {first_size}"):
        consistency_proof(LEAVES, first_size)


@pytest.mark.parametrize(("index", "size"), [(8, 8), (-1, 8), (5, 0)])
def test_inclusion_outside_the_tree_is_false(index: int, size: int) -> None:
    proof = inclusion_proof(LEAVES, 5)
    assert not verify_inclusion(leaf=LEAVES[5], index=index, size=size, root=root_of(LEAVES), proof=proof)


def test_hashes_of_another_length_prove_nothing() -> None:
    proof = inclusion_proof(LEAVES, 5)
    root = root_of(LEAVES)
    assert verify_inclusion(leaf=LEAVES[5], index=5, size=8, root=root, proof=proof)
    assert not verify_inclusion(leaf=LEAVES[5][:31], index=5, size=8, root=root, proof=proof)
    assert not verify_inclusion(leaf=LEAVES[5], index=5, size=8, root=root, proof=(*proof[:2], b""))


@pytest.mark.parametrize(
    ("first_size", "second_size", "proof"),
    [
        (5, 4, ()),
        (-1, 4, ()),
        (3, 4, ()),
        (0, 4, (LEAVES[0],)),
        (4, 4, (LEAVES[0],)),
    ],
)
def test_malformed_consistency_is_false(first_size: int, second_size: int, proof: tuple[bytes, ...]) -> None:
    assert not verify_consistency(
        first_size=first_size,
        first_root=root_of(LEAVES[: max(first_size, 0)]),
        second_size=second_size,
        second_root=root_of(LEAVES[:second_size]),
        proof=proof,
    )


def test_equal_sizes_with_other_roots_are_inconsistent() -> None:
    assert not verify_consistency(
        first_size=2, first_root=LEAVES[0], second_size=2, second_root=LEAVES[1], proof=()
    )


@pytest.mark.parametrize(
    ("size", "peaks", "message"),
    [
        (-1, (), "size must not be negative; was -1"),
        (3, (LEAVES[0],), "a tree of size 3 has 2 peaks; was 1"),
        (1, (b"short",), "each peak must be 32 bytes"),
    ],
)
def test_an_impossible_frontier_is_refused(size: int, peaks: tuple[bytes, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Frontier(size=size, peaks=peaks)
