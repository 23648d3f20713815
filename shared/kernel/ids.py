"""Identifiers."""

import os
import re
import time
from uuid import UUID

ACCOUNT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
"""An account id is the id the company's own product uses: it is a Kafka key and part of URLs."""


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits; sorts by time."""
    millis = time.time_ns() // 1_000_000
    rand = int.from_bytes(os.urandom(10), "big")
    value = (millis << 80) | rand
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def is_account_id(value: object) -> bool:
    """Tell whether a value can be an account id."""
    return isinstance(value, str) and ACCOUNT_ID.fullmatch(value) is not None
