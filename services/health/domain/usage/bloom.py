"""Bloom filters over the keys of a day: "never seen" is certain, "seen" is not.

Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 13(7), 1970; all bits of
a key in one line of the cache, Putze, Sanders and Singler, "Cache-, hash- and space-efficient
Bloom filters", 2007: one read for a key instead of twelve. Keys are hashes already. Lines follow
each other as keys do: those of a run, which are sorted, are added without a jump.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.health.domain.usage.arrivals import KEY_BYTES

_BITS_PER_KEY = 24
_LINE_WORDS = 8
_WORD_BITS = 64
_WORD_BYTES = 8
_ODD = tuple(map(np.uint64, (0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9)))
_BITS_IN_WORD = 4
"""A key sets so many bits in a word of its line for each of the odd numbers, which choose them.

Words that are full by chance let 3.3 % of new keys pass the first look, and 0.008 % all three."""

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]


class Chosen(NamedTuple):
    """Where keys stand in their lines: in which word, and in which of its bits."""

    words: Words
    bits: Words


class Asked(NamedTuple):
    """Keys as filters take them: which share of all lines, and what chooses words and bits.

    ``first`` is the first look; few keys need another.
    """

    shares: Words
    chooses: Words
    first: Chosen


class KeyFilter:
    """Remembers which 16-byte keys cannot have been added, in 24 bits a key."""

    def __init__(self, capacity: int) -> None:
        self._words = np.zeros(self.bytes_for(capacity) // _WORD_BYTES, dtype=np.uint64)

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self._words.nbytes

    @staticmethod
    def bytes_for(capacity: int) -> int:
        """Return how much memory a filter of so many keys takes."""
        lines = max(1, -(-capacity * _BITS_PER_KEY // (_LINE_WORDS * _WORD_BITS)))
        return lines * _LINE_WORDS * _WORD_BYTES

    def add(self, keys: Asked) -> None:
        """Add keys. More than its capacity make it suspect more."""
        lines = self._lines_of(keys.shares)
        for look in range(len(_ODD)):
            words, bits = _chosen(look, keys.chooses)
            np.bitwise_or.at(self._words, _places(lines, words), bits)

    def suspects(self, keys: Asked) -> Places:
        """Return the places of the keys that may be in it; the others are not, for certain."""
        lines = self._lines_of(keys.shares)
        passed = np.flatnonzero(self._hold(lines, keys.first))
        for look in range(1, len(_ODD)):
            passed = passed[self._hold(lines[passed], _chosen(look, keys.chooses[passed]))]
        return passed

    def _lines_of(self, shares: Words) -> Words:
        # A share of all there can be, of the lines: a modulo takes ten times as long.
        lines = np.uint64(len(self._words) // _LINE_WORDS)
        return ((shares * lines) >> np.uint64(32)) * np.uint64(_LINE_WORDS)

    def _hold(self, lines: Words, chosen: Chosen) -> npt.NDArray[np.bool_]:
        held: npt.NDArray[np.bool_] = (
            self._words[_places(lines, chosen.words)] & chosen.bits
        ) == chosen.bits
        return held


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
        self.held += len(keys.chooses)
        self.free -= len(keys.chooses)

    def suspects(self, keys: Asked) -> Places:
        """Return the places of the keys that may be in it; the others are not, for certain."""
        found = [part.suspects(keys) for part in self._parts]
        return found[0] if len(found) == 1 else np.unique(np.concatenate([_NONE, *found]))


_NONE: Places = np.empty(0, dtype=np.intp)


def asked(keys: Sequence[bytes]) -> Asked:
    """Return 16-byte keys, or texts of them, as filters take them."""
    joined = b"".join(keys)
    shares = np.frombuffer(joined, dtype=">u4")[:: KEY_BYTES // 4].astype(np.uint64)
    chooses = np.frombuffer(joined, dtype="<u8")[1 :: KEY_BYTES // _WORD_BYTES]
    return Asked(shares, chooses, _chosen(0, chooses))


def _chosen(look: int, chooses: Words) -> Chosen:
    mixed = chooses * _ODD[look]  # the upper bits of a product depend on all others
    bits = np.zeros(len(mixed), dtype=np.uint64)
    for number in range(1, _BITS_IN_WORD + 1):
        bits |= np.uint64(1) << ((mixed >> np.uint64(61 - 6 * number)) & np.uint64(63))
    return Chosen(mixed >> np.uint64(61), bits)


def _places(lines: Words, words: Words) -> Places:
    return (lines + words).astype(np.intp)
