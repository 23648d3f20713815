"""Numbers and lists as people read them."""

from collections.abc import Sequence


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 seat``, ``2 seats``; ``many`` where an s is not enough."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def figure(value: float) -> str:
    """Return a number without an exponent: four digits that count, and every whole one.

    >>> figure(12345.0), figure(0.90625), figure(2.5)
    ('12345', '0.9062', '2.5')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def listed(names: Sequence[str]) -> str:
    """Return names as a choice.

    >>> listed(["red"]), listed(["red", "green", "blue"])
    ('red', 'red, green or blue')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
