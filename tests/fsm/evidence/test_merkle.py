"""Merkle trees: the roots of RFC 6962, and proofs that hold for their leaf, place and tree alone."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.evidence.merkle import EMPTY_ROOT, BadProof, Tree, check_inclusion, root_of

#: The leaves and roots that implementations of Certificate Transparency are tested with.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaves = st.lists(st.binary(max_size=4), min_size=1, max_size=40, unique=True)


def by_definition(contents: list[bytes]) -> bytes:
    """Return MTH as section 2.1 of RFC 6962 writes it down."""
    if not contents:
        return sha256(b"").digest()
    if len(contents) == 1:
        return sha256(b"\x00" + contents[0]).digest()
    split = 1
    while split * 2 < len(contents):
        split *= 2
    left, right = by_definition(contents[:split]), by_definition(contents[split:])
    return sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_nothing_has_the_hash_of_nothing() -> None:
    assert root_of([]) == Tree([]).root == EMPTY_ROOT == by_definition([])


@given(leaves)
def test_a_root_is_the_one_of_the_definition_however_it_is_made(contents: list[bytes]) -> None:
    assert root_of(contents) == Tree(contents).root == by_definition(contents)


@given(leaves, st.data())
def test_a_proof_holds_for_its_leaf_and_its_place_only(
    contents: list[bytes], data: st.DataObject
) -> None:
    tree = Tree(contents)
    index = data.draw(st.integers(0, len(contents) - 1))
    path = tree.proof(index)
    check_inclusion(contents[index], index, tree.size, path, tree.root)
    wrong = [
        (contents[index] + b"x", index, tree.size, path, tree.root),
        (contents[index], index, tree.size, [*path, EMPTY_ROOT], tree.root),
        (contents[index], index, tree.size, path, EMPTY_ROOT),
        (contents[index], tree.size, tree.size, path, tree.root),
        (contents[index], -1, tree.size, path, tree.root),
    ]
    if path:
        wrong += [
            (contents[index], index, tree.size, path[:-1], tree.root),
            (contents[index], index ^ 1, tree.size, path, tree.root),
        ]
        if path[0] != path[-1]:
            wrong.append((contents[index], index, tree.size, path[::-1], tree.root))
    for arguments in wrong:
        with pytest.raises(BadProof):
            check_inclusion(*arguments)


def test_an_inner_node_is_no_leaf() -> None:
    tree = Tree([b"a", b"b", b"c"])
    inner = tree._levels[0][0] + tree._levels[0][1]
    with pytest.raises(BadProof):
        check_inclusion(inner, 0, 2, [tree._levels[0][2]], tree.root)
