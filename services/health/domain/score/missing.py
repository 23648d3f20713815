"""What is not known of an account, and who can tell: for the people who look at its score."""

from services.health.domain.score.score import Line
from services.health.domain.score.wording import label
from shared.kernel.figures import listed, spoken

_OF_USAGE = (
    "Usage of the product has not been seen for a whole day yet. If it should have been: whoever "
    "runs your product's backend sends it."
)
_MISSING = {
    "usage_ratio": _OF_USAGE,
    "active_users_ratio": _OF_USAGE,
    "days_since_activity": _OF_USAGE,
    "stickiness": _OF_USAGE,
    "outcome_progress": (
        "Nobody has noted how far the customer is with what they want to achieve. Whoever looks "
        "after the account agrees a target with them, and notes each check-in."
    ),
    "promises": (
        "No promise to the customer was kept or broken yet. Whoever looks after the account notes "
        "what was promised and whether it was kept."
    ),
    "seat_utilisation": (
        "No contract with seats is known, or nobody was seen using them. Whoever keeps the "
        "contracts enters the seats."
    ),
    "tickets_30d": (
        "No support ticket of this customer is known, which may mean that nobody sends them. "
        "Whoever runs the help desk can connect it."
    ),
    "csat": (
        "No answer of support was rated yet. Whoever runs the help desk can connect its surveys."
    ),
    "nps": (
        "Nobody there was asked, or has said, whether they would recommend the product. Whoever "
        "runs the surveys can connect them, or ask."
    ),
    "champion": (
        "No champion was named at the customer. Whoever looks after the account names one among "
        "its contacts."
    ),
    "executive_contact": (
        "No talk with an executive of the customer is noted. Whoever had one notes it."
    ),
    "payments": "No payment is known. Whoever runs billing can connect it.",
}


def how_to_provide(line: Line) -> str:
    """Say what is missing, and who can supply it; never how to call an API."""
    known = _MISSING.get(line.metric)
    if known is not None:
        return known
    if line.accepts:
        return (
            f"Nothing of this was heard: {listed([spoken(name) for name in line.accepts])}. Who "
            "knows of it can note it, or an administrator connects the tool that has it."
        )
    return (
        f"{label(line.metric)} is not measured yet: what it is counted from was not seen or "
        "carries no number, or no metric of the profile has this name. Whoever keeps the health "
        "profile can tell."
    )
