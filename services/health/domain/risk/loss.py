"""How likely an account with open risks is lost, while no model says it."""

from collections.abc import Iterable
from math import prod

from services.health.domain.profile.profile import Severity

LOSS = {
    Severity.LOW: 0.05,
    Severity.MEDIUM: 0.12,
    Severity.HIGH: 0.25,
    Severity.CRITICAL: 0.45,
}
"""What one open risk of a severity adds to the chance of loss: a rule of thumb to rank by."""


def rule_probability(severities: Iterable[Severity]) -> float:
    """Return the probability that at least one of several independent risks ends in a loss.

    ``1 - prod(1 - p)`` over the open risks: it orders accounts, it is not calibrated.
    """
    return 1.0 - prod(1.0 - LOSS[severity] for severity in severities)
