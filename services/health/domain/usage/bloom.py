"""Bloom filters over the keys of a day: "never seen" is certain, "seen" is not.

Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 13(7), 1970; all bits of
a key in one word, Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom filters",
2007: one read for a key instead of six. Keys are hashes already: their first half chooses the word,
their second half the bits.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_BITS_PER_KEY = 16
_BITS_OF_KEY = 5
"""With 16 bits a key, 5 of them set say "perhaps" for 0.43 % of keys that were never added."""
_WORD_BITS = 64
_KEY_BYTES = 16
_SMALLEST = 65_536
"""Keys that the first part of a growing filter has room for: 128 KiB."""

Words = npt.NDArray[np.uint64]


class KeyFilter:
    """Remembers which 16-byte keys cannot have been added, in 16 bits a key."""

    def __init__(self, capacity: int) -> None:
        self._words = np.zeros(self.bytes_for(capacity) // 8, dtype=np.uint64)

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self._words.nbytes

    @staticmethod
    def bytes_for(capacity: int) -> int:
        """Return how much memory a filter of so many keys takes."""
        return max(1, -(-capacity * _BITS_PER_KEY // _WORD_BITS)) * 8

    def add(self, keys: Words) -> None:
        """Add keys: an array of two words each. More than its capacity make it suspect more."""
        np.bitwise_or.at(self._words, self._places(keys), bits_of(keys))

    def may_hold(self, keys: Words, bits: Words) -> npt.NDArray[np.bool_]:
        """Tell for each key (and its `bits_of`) whether it may be in it; False is certain."""
        found: npt.NDArray[np.bool_] = (self._words[self._places(keys)] & bits) == bits
        return found

    def _places(self, keys: Words) -> npt.NDArray[np.intp]:
        # The key's share of all there can be, of the words: a modulo takes ten times as long.
        share = (keys[:, 0] >> np.uint64(32)) * np.uint64(len(self._words))
        return (share >> np.uint64(32)).astype(np.intp)


class GrowingFilter:
    """A filter that grows by parts, each with room for twice as many keys as the one before."""

    def __init__(self) -> None:
        self._parts: list[KeyFilter] = []
        self._capacity = 0
        self._free = 0

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return sum(part.size for part in self._parts)

    def bytes_to_hold(self, keys: int) -> int:
        """Return how many bytes more it would take with so many more keys."""
        return 0 if keys <= self._free else KeyFilter.bytes_for(self._next_capacity(keys))

    def make_room(self, keys: int) -> None:
        """Make sure that so many keys can be added."""
        if keys > self._free:
            self._capacity = self._free = self._next_capacity(keys)
            self._parts.append(KeyFilter(self._capacity))

    def add(self, keys: Words) -> None:
        """Add keys for which there is room."""
        self._parts[-1].add(keys)
        self._free -= len(keys)

    def may_hold(self, keys: Words, bits: Words) -> npt.NDArray[np.bool_]:
        """Tell for each key (and its `bits_of`) whether it may be in it; False is certain."""
        found = np.zeros(len(keys), dtype=np.bool_)
        for part in self._parts:
            found |= part.may_hold(keys, bits)
        return found

    def _next_capacity(self, keys: int) -> int:
        return max(keys, 2 * self._capacity, _SMALLEST)


def words_of(keys: Sequence[bytes]) -> Words:
    """Return 16-byte keys as an array of two words each."""
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, _KEY_BYTES // 8)


def bits_of(keys: Words) -> Words:
    """Return the bits that each key sets in its word; they are the same in every filter."""
    bits = np.zeros(len(keys), dtype=np.uint64)
    for number in range(_BITS_OF_KEY):
        bits |= np.uint64(1) << ((keys[:, 1] >> np.uint64(6 * number)) & np.uint64(63))
    return bits
