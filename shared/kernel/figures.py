"""Numbers, names and lists as people read them."""

from collections.abc import Sequence
from itertools import cycle, islice
from math import floor, log10

DECIMALS = 4
"""What is shown of a number: so many decimals, of a smaller one so many digits that count."""

_SMALL = 0.1


def shown(value: float) -> float:
    """Return a number as answers and events show it; the noise of binary fractions is gone.

    >>> shown(0.44999999999999996), shown(61.234567), shown(0.000123456), shown(0.0)
    (0.45, 61.2346, 0.0001235, 0.0)
    """
    if value == 0 or abs(value) >= _SMALL:
        return round(value, DECIMALS)
    return round(value, DECIMALS - 1 - floor(log10(abs(value))))


def shared_out(parts: Sequence[float], total: float, decimals: int = DECIMALS) -> list[float]:
    """Return parts rounded so that they add up to their total, as people add what they see.

    By largest remainders: none is further than one last digit from what it was. The total may
    itself be a rounded one, a digit from the sum of the parts.

    >>> shared_out([1.06, 1.06, 1.06], 3.18, decimals=1)
    [1.1, 1.1, 1.0]
    """
    units = 10**decimals
    low = [floor(part * units) for part in parts]
    rest = round(total * units) - sum(low)
    sign = 1 if rest > 0 else -1
    by_remainder = sorted(range(len(parts)), key=lambda i: sign * (low[i] - parts[i] * units))
    for place in islice(cycle(by_remainder), abs(rest)):
        low[place] += sign
    return [each / units for each in low]


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 seat``, ``2 seats``; ``many`` where an s is not enough."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Return a share in whole percent: ``36 %``.

    >>> percent(0.36), percent(1.0)
    ('36 %', '100 %')
    """
    return f"{share * 100:.0f} %"


def figure(value: float) -> str:
    """Return a number without an exponent: four digits that count, and every whole one.

    >>> figure(12345.0), figure(0.90625), figure(2.5)
    ('12345', '0.9062', '2.5')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def spoken(name: str) -> str:
    """Return a name of ours as people say it.

    >>> spoken("days_since_activity")
    'days since activity'
    """
    return name.replace("_", " ")


def listed(names: Sequence[str]) -> str:
    """Return names as a choice.

    >>> listed(["red"]), listed(["red", "green", "blue"])
    ('red', 'red, green or blue')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
