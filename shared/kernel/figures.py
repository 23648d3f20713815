"""Numbers as people read them."""


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
