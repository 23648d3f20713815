"""tenure demo."""


def demo() -> None:
    """Play a story."""
