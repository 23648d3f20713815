"""Bloom filters over the keys of a day: "never seen" is certain, "seen" is not.

Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 13(7), 1970; positions by
double hashing, Kirsch and Mitzenmacher, "Less hashing, same performance", 2008. Keys are hashes
already, so their two halves are the two hashes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_BITS_PER_KEY = 12
_HASHES = 6
"""With 12 bits a key, 6 hashes say "perhaps" for 0.4 % of keys that were never added."""
_KEY_BYTES = 16
_SMALLEST = 65_536
"""Keys that the first part of a growing filter has room for: 96 KiB."""

Words = npt.NDArray[np.uint64]


class KeyFilter:
    """Remembers which 16-byte keys cannot have been added, in 12 bits a key."""

    def __init__(self, capacity: int) -> None:
        self._bits_in_all = np.uint64(max(64, -(-capacity * _BITS_PER_KEY // 8) * 8))
        self._bits = np.zeros(int(self._bits_in_all) // 8, dtype=np.uint8)

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self._bits.nbytes

    @staticmethod
    def bytes_for(capacity: int) -> int:
        """Return how much memory a filter of so many keys takes."""
        return capacity * _BITS_PER_KEY // 8

    def add(self, keys: Words) -> None:
        """Add keys: an array of two words each. More than its capacity make it suspect more."""
        for number in range(_HASHES):
            at = self._positions(keys, number)
            np.bitwise_or.at(self._bits, at >> np.uint64(3), _mask(at))

    def may_hold(self, keys: Words) -> npt.NDArray[np.bool_]:
        """Tell for each key whether it may have been added; False is certain."""
        found = np.ones(len(keys), dtype=np.bool_)
        left = np.arange(len(keys))
        for number in range(_HASHES):
            at = self._positions(keys[left], number)
            hit = (self._bits[at >> np.uint64(3)] & _mask(at)) != 0
            found[left[~hit]] = False
            left = left[hit]
        return found

    def _positions(self, keys: Words, number: int) -> Words:
        return (keys[:, 0] + np.uint64(number) * (keys[:, 1] | np.uint64(1))) % self._bits_in_all


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

    def may_hold(self, keys: Words) -> npt.NDArray[np.bool_]:
        """Tell for each key whether it may have been added; False is certain."""
        found = np.zeros(len(keys), dtype=np.bool_)
        for part in self._parts:
            found |= part.may_hold(keys)
        return found

    def _next_capacity(self, keys: int) -> int:
        return max(keys, 2 * self._capacity, _SMALLEST)


def words_of(keys: Sequence[bytes]) -> Words:
    """Return 16-byte keys as an array of two words each."""
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, _KEY_BYTES // 8)


def _mask(at: Words) -> npt.NDArray[np.uint8]:
    return np.left_shift(np.uint8(1), (at & np.uint64(7)).astype(np.uint8))
