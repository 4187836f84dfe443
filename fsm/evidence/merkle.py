"""Merkle trees of RFC 6962, section 2.1: one hash for a list, short proofs that something is in it.

A leaf is hashed behind 0x00, two children behind 0x01, so that no inner node can be passed off as a
leaf. The tree of n leaves splits at the largest power of two below n; the tree of none is the SHA-256
of nothing. Pure; nothing is known here of what a leaf means.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


class BadProof(ValueError):
    """The proof does not lead from the leaf to the root."""


def leaf_hash(content: bytes) -> bytes:
    return sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Growing:
    """A root over leaves that come one by one; it holds one hash for each level of the tree."""

    def __init__(self) -> None:
        self.size = 0
        self._whole: list[tuple[int, bytes]] = []  # perfect subtrees from the left: (leaves, hash)

    def add(self, content: bytes) -> None:
        size, digest = 1, leaf_hash(content)
        while self._whole and self._whole[-1][0] == size:
            digest = node_hash(self._whole.pop()[1], digest)
            size *= 2
        self._whole.append((size, digest))
        self.size += 1

    @property
    def root(self) -> bytes:
        if not self._whole:
            return EMPTY_ROOT
        *left, (_, digest) = self._whole
        for _, other in reversed(left):
            digest = node_hash(other, digest)
        return digest


def root_of(contents: Iterable[bytes]) -> bytes:
    """Return the root over the contents of leaves."""
    growing = Growing()
    for content in contents:
        growing.add(content)
    return growing.root


class Tree:
    """A tree held in memory for proofs: 64 bytes a leaf."""

    def __init__(self, contents: Iterable[bytes]) -> None:
        level = [leaf_hash(content) for content in contents]
        self._levels = [level]
        while len(level) > 1:
            paired = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
            if len(level) % 2:
                paired.append(level[-1])  # rises as it is until it finds a left sibling
            self._levels.append(level := paired)

    @property
    def size(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        return self._levels[-1][0] if self._levels[0] else EMPTY_ROOT

    def proof(self, index: int) -> list[bytes]:
        """Return the audit path of a leaf, from its sibling upwards."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        path = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index //= 2
        return path


def check_inclusion(
    content: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Return if the leaf stands at `index` of the `size` leaves under `root`, else raise `BadProof`."""
    if not 0 <= index < size:
        raise BadProof(f"There is no leaf {index} among {size}.")
    digest, at, last = leaf_hash(content), index, size - 1
    for sibling in path:
        if last == 0:
            raise BadProof("The path is longer than the tree is high.")
        if at % 2 or at == last:
            digest = node_hash(sibling, digest)
            while at % 2 == 0 and at:  # a lone last node rose without a sibling
                at, last = at // 2, last // 2
        else:
            digest = node_hash(digest, sibling)
        at, last = at // 2, last // 2
    if last != 0:
        raise BadProof("The path is shorter than the tree is high.")
    if digest != root:
        raise BadProof("The path leads to another root.")
