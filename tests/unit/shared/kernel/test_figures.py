import json
import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.showing import as_shown
from shared.kernel.figures import listed, shared_out, shown

numbers = st.floats(-1e9, 1e9, allow_subnormal=False)
points = st.lists(st.floats(-100, 100, allow_subnormal=False), max_size=20)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (0.44999999999999996, 0.45),
        (61.234567, 61.2346),
        (0.1 + 0.2, 0.3),
        (0.000123456, 0.0001235),
        (-0.05, -0.05),
        (1e-12, 1e-12),
        (1234567.89, 1234567.89),
        (5.0, 5.0),
        (0.0, 0.0),
    ],
)
def test_a_number_is_shown_without_the_noise_of_binary_fractions(value: float, seen: float) -> None:
    assert shown(value) == seen


@settings(derandomize=True)
@given(numbers)
def test_what_is_shown_stays_as_it_is_and_is_near(value: float) -> None:
    assert shown(shown(value)) == shown(value)
    assert math.isclose(shown(value), value, rel_tol=5.1e-4, abs_tol=0)


def test_a_document_keeps_everything_but_long_fractions() -> None:
    document = {"p": 0.44999999999999996, "text": "v1.123456789", "n": 12345678901234567890, "z": 1}
    assert json.loads(as_shown(json.dumps(document).encode())) == {**document, "p": 0.45}
    short = b'{"b": 1.5, "a": [2.25], "at": "2026-11-27T01:02:03.123456Z"}'
    assert as_shown(short) is short


@settings(derandomize=True)
@given(points, st.integers(0, 4), st.integers(-1, 1))
def test_shared_out_parts_add_up_as_people_add(parts: list[float], decimals: int, off: int) -> None:
    """Decimal by decimal; the total may be a digit off, as both ends of it were rounded."""
    total = round(math.fsum(parts) + off * 10**-decimals, decimals) if parts else 0.0
    found = shared_out(parts, total, decimals)
    assert sum(Decimal(repr(each)) for each in found) == Decimal(repr(total))
    for part, each in zip(parts, found, strict=True):
        assert abs(part - each) <= 2 * 10**-decimals


def test_listed_names() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b or c"
