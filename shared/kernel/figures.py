"""Numbers as people read them."""


def figure(value: float) -> str:
    """Return a number without an exponent: four digits that count, and every whole one.

    >>> figure(12345.0), figure(0.90625), figure(2.5)
    ('12345', '0.9062', '2.5')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
