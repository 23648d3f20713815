"""Sentences for people."""

from services.renewals.domain.probability import Assessment
from services.renewals.domain.risk import Risk


def explain_fall(before: Assessment, after: Assessment, risk: Risk) -> str:
    """Say what a risk did to a probability, why, and what to do next."""
    change = f"The probability of renewal went from {before.points} % to {after.points} %."
    parts = (change, _sentence(risk.explanation), _sentence(risk.next_step, "Next: "))
    return " ".join(part for part in parts if part)


def _sentence(text: str, prefix: str = "") -> str:
    text = text.strip()
    if not text:
        return ""
    return f"{prefix}{text}" if text[-1] in ".!?" else f"{prefix}{text}."
