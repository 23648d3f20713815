"""Bloom filters over the keys of a day: "never seen" is certain, "seen" is not.

Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 13(7), 1970; all bits of
a key in one word, Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom filters",
2007: one read for a key instead of four. Keys are hashes already: their first half chooses the
words, their second half the bits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.health.domain.usage.arrivals import KEY_BYTES

_BITS_PER_KEY = 10
_BITS_OF_KEY = 4
"""Of each half. Words that are full by chance let 1.9 % of new keys pass a half, and 0.04 % both;
20 bits a key in one piece, with seven set, let 0.19 % pass."""
_WORD_BITS = 64

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]


class Asked(NamedTuple):
    """Keys as filters take them, for each half: which share of its words, and the bits in a word.

    They are the same for every filter.
    """

    shares: tuple[Words, Words]
    bits: tuple[Words, Words]


class KeyFilter:
    """Remembers which 16-byte keys cannot have been added, in 20 bits a key.

    Two filters in one, of 10 bits a key: few keys need a look into the second.
    """

    def __init__(self, capacity: int) -> None:
        words = self.bytes_for(capacity) // 16
        self._halves = np.zeros(words, dtype=np.uint64), np.zeros(words, dtype=np.uint64)

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return sum(half.nbytes for half in self._halves)

    @staticmethod
    def bytes_for(capacity: int) -> int:
        """Return how much memory a filter of so many keys takes."""
        return max(1, -(-capacity * _BITS_PER_KEY // _WORD_BITS)) * 16

    def add(self, keys: Asked) -> None:
        """Add keys. More than its capacity make it suspect more."""
        for half, shares, bits in zip(self._halves, *keys, strict=True):
            np.bitwise_or.at(half, _words_at(half, shares), bits)

    def suspects(self, keys: Asked) -> Places:
        """Return the places of the keys that may be in it; the others are not, for certain."""
        (first, second), (shares, other_shares), (bits, other_bits) = self._halves, *keys
        passed = np.flatnonzero(_may_hold(first, shares, bits))
        return passed[_may_hold(second, other_shares[passed], other_bits[passed])]


class GrowingFilter:
    """A filter that grows by parts."""

    def __init__(self) -> None:
        self._parts: list[KeyFilter] = []
        self.held = 0
        self.free = 0

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return sum(part.size for part in self._parts)

    def grow(self, keys: int) -> None:
        """Make room for so many keys; what was free in the part before is not used any more."""
        self._parts.append(KeyFilter(keys))
        self.free = keys

    def add(self, keys: Asked) -> None:
        """Add keys for which there is room."""
        self._parts[-1].add(keys)
        self.held += len(keys.shares[0])
        self.free -= len(keys.shares[0])

    def suspects(self, keys: Asked) -> Places:
        """Return the places of the keys that may be in it; the others are not, for certain."""
        found = [part.suspects(keys) for part in self._parts]
        return found[0] if len(found) == 1 else np.unique(np.concatenate([_NONE, *found]))


_NONE: Places = np.empty(0, dtype=np.intp)


def asked(keys: Sequence[bytes]) -> Asked:
    """Return 16-byte keys, or texts of them, as filters take them."""
    words = np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, KEY_BYTES // 8)
    chooses, sets = words[:, 0], words[:, 1]
    return Asked(
        (chooses >> np.uint64(32), chooses & np.uint64(0xFFFF_FFFF)),
        (_bits_of(sets, 0), _bits_of(sets, _BITS_OF_KEY)),
    )


def _bits_of(words: Words, first: int) -> Words:
    bits = np.zeros(len(words), dtype=np.uint64)
    for number in range(first, first + _BITS_OF_KEY):
        bits |= np.uint64(1) << ((words >> np.uint64(6 * number)) & np.uint64(63))
    return bits


def _may_hold(half: Words, shares: Words, bits: Words) -> npt.NDArray[np.bool_]:
    held: npt.NDArray[np.bool_] = (half[_words_at(half, shares)] & bits) == bits
    return held


def _words_at(half: Words, shares: Words) -> Places:
    # A share of all there can be, of the words: a modulo takes ten times as long.
    return ((shares * np.uint64(len(half))) >> np.uint64(32)).astype(np.intp)
