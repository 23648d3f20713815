"""JSON that leaves the house: its numbers as people read them, wherever they were computed."""

import re
from typing import Any

import msgspec

from shared.kernel.figures import DECIMALS, shown

# Not the fraction of a second: every page is full of those, and a zone follows them.
_LONG_FRACTION = re.compile(rb"\.\d{%d,}(?![\dZ+-])" % (DECIMALS + 1))


def read_shown(written: str) -> float:
    """Return a number that is written in JSON as it is shown."""
    return shown(float(written))


_decoder = msgspec.json.Decoder(float_hook=read_shown)


def read_as_shown(document: bytes) -> Any:
    """Return what a JSON text says, its numbers as they are shown."""
    return _decoder.decode(document)


def as_shown(document: bytes) -> bytes:
    """Return a JSON text with its numbers as they are shown."""
    if not _LONG_FRACTION.search(document):
        return document
    return msgspec.json.encode(read_as_shown(document))
