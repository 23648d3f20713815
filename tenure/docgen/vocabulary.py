"""What the fields of facts mean, with an example each.

A description that a contract gives its field (``Field(description=...)``) comes before the meaning
here. A field that means something of its own in one fact is named ``<fact>.<field>``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_ID = "0199a1b2-7a10-7c3e-9d4f-{:012x}"


class Word(NamedTuple):
    """A field: what it means, and a value it could have."""

    meaning: str
    example: Any


_ACCOUNTS = {
    "account_id": Word("The account: the id the company's own product uses.", "acme"),
    "name": Word("What the account is called.", "Acme GmbH"),
    "segment": Word("The segment of the account; it chooses its plan and its peers.", "midmarket"),
    "time_zone": Word("IANA time zone; the account's days are days of this zone.", "Europe/Berlin"),
    "opened_at": Word("When it was opened.", "2026-01-12T09:00:00Z"),
    "role": Word("Role of our person: csm, ae, manager or sponsor.", "csm"),
    "email": Word("Address of our person.", "kim@example.com"),
    "owner_assigned.name": Word("Name of our person.", "Kim Sommer"),
    "contact_id": Word("The person at the account.", _ID.format(1)),
    "contact_added.role": Word("Their role: buyer, champion, admin or user.", "champion"),
    "contact_left.role": Word("The role they had: buyer, champion, admin or user.", "champion"),
    "last_in_role": Word("True when nobody else at the account has the role.", True),
}

_LANDING = {
    "plan_id": Word("The onboarding plan.", _ID.format(2)),
    "template": Word("The template the plan was made from, with its version.", "default@1"),
    "no_upsell_until": Word("Nothing is to be sold before this day.", "2026-04-12"),
    "milestone": Word("Key of the milestone in the plan.", "first_value"),
    "by": Word("Who or what completed it: manual or usage.", "usage"),
    "completed_at": Word("When it was completed.", "2026-02-03T14:20:00Z"),
    "due_on": Word("The day it was due on, in the account's zone.", "2026-02-11"),
    "reached_at": Word("When it was reached.", "2026-02-03T14:20:00Z"),
    "days": Word("Calendar days since the account was opened.", 22),
}

_USAGE = {
    "traits": Word("The traits of the account, as the product sent them.", {"plan": "team"}),
    "day": Word("The day, in the account's zone.", "2026-03-01"),
    "events": Word("Usage events of the day.", 412),
    "active_users": Word("Distinct users of the day.", 18),
    "active_users_28d": Word("Distinct users of the last 28 days.", 46),
    "usage_milestone_reached.milestone": Word(
        "Name of the milestone in the health profile.", "first_value"
    ),
    "users": Word("How many users did what the milestone asks for.", 3),
    "signal_id": Word("The signal.", _ID.format(3)),
    "signal_type": Word("What was observed, as the health profile names it.", "nps_answered"),
    "value": Word("The observed figure, for signals that have one.", 9.0),
    "observed_at": Word("When it was observed.", "2026-03-02T11:58:00Z"),
}

_HEALTH = {
    "score": Word("The health score, 0 to 100; high is healthy.", 46.5),
    "band": Word("The band of the score: healthy, watch, at_risk or unknown.", "at_risk"),
    "previous_score": Word("The score before; null at the first.", 71.0),
    "previous_band": Word("The band before; null at the first.", "watch"),
    "coverage": Word("Share of the score's weight that has data, 0 to 1.", 0.55),
    "profile": Word("Name and version of the health profile that judged.", "default@1"),
    "risk_id": Word("The risk; the same from opening to recovery.", _ID.format(4)),
    "reason": Word("Why, as the catalogue of reasons names it.", "usage_drop"),
    "severity": Word("How bad it is: low, medium, high or critical.", "high"),
    "title": Word("The reason as a headline.", "Usage has dropped"),
    "explanation": Word(
        "Why, in a sentence with the figures.",
        "Usage at 38 % of what is normal for this account on these weekdays.",
    ),
    "next_step": Word("What to do next.", "Call the champion; ask what changed."),
    "evidence": Word("The figures behind the reason.", {"ratio": 0.38, "probability": 0.97}),
    "caused_at": Word(
        "When the platform received the event that caused it.", "2026-03-02T11:59:58Z"
    ),
    "recovered_at": Word("When the reason was found to be gone.", "2026-03-09T12:00:00Z"),
}

_HANDLING = {
    "risk_awoke.by": Word("Who woke it; health when its time had come.", "Kim Sommer"),
    "risk_awoke.note": Word("Why.", "Its time has come."),
    "risk_acknowledged.by": Word("Who takes care of it.", "Kim Sommer"),
    "risk_acknowledged.note": Word("What they mean to do.", "I call them on Thursday."),
    "risk_snoozed.by": Word("Who put it off.", "Kim Sommer"),
    "risk_snoozed.note": Word("Why.", "The whole company is on holiday."),
    "risk_snoozed.until": Word("When it wakes.", "2026-03-16T08:00:00Z"),
    "into_risk_id": Word("The risk that tells the story.", _ID.format(14)),
    "into_reason": Word("Its reason.", "silence"),
    "risk_merged.reason": Word("The reason that is told with it.", "usage_drop"),
    "risk_dismissed.by": Word("Who disagrees.", "Kim Sommer"),
    "risk_dismissed.note": Word("Why.", "They moved to our API; the events are counted elsewhere."),
    "dismissed_at": Word("When they said so.", "2026-03-03T09:12:00Z"),
    "signal_retracted.by": Word("Who took it back.", "Kim Sommer"),
    "signal_retracted.note": Word("Why.", "It was another customer's invoice."),
    "pulse": Word("0 to 100, high is healthy.", 75.0),
    "pulse_set.band": Word("The band it falls in: healthy, watch or at_risk.", "healthy"),
    "pulse_set.by": Word("Who judges.", "Kim Sommer"),
    "pulse_set.note": Word("Why.", "The new team loves it."),
    "disagreement_id": Word("The disagreement.", _ID.format(13)),
    "disagreement_found.subject": Word("score, or risk:<id>.", "score"),
    "disagreement_resolved.subject": Word("score, or risk:<id>.", "score"),
    "believed": Word("What the person says.", "healthy"),
    "computed": Word("What was computed.", "at_risk"),
    "disagreement_found.explanation": Word(
        "Both sides, in a sentence.", "Kim Sommer says healthy; the score says at_risk (41 of 100)."
    ),
    "disagreement_found.by": Word("Whose belief it is.", "Kim Sommer"),
    "disagreement_resolved.by": Word("Who settled it.", "health"),
    "disagreement_resolved.note": Word("How.", "The two agree again."),
}

_EXPANSION = {
    "seats": Word("Seats sold.", 50),
    "utilisation": Word("Active users of 28 days by seats sold; 1 is full.", 0.92),
    "opportunity_id": Word("The opportunity.", _ID.format(5)),
    "kind": Word("What there is to sell.", "more_seats"),
    "because": Word("What holds it: landing or risk:<reason>.", ["risk:usage_drop"]),
    "until": Word("The day the hold ends, where it is known.", "2026-04-12"),
    "opportunity_opened.explanation": Word(
        "The evidence, in a sentence.", "46 of 50 seats were active in the last 28 days (92 %)"
    ),
    "opportunity_lapsed.explanation": Word(
        "The evidence there was, and what held it.",
        "46 of 50 seats were active in the last 28 days (92 %); not offered while: a risk is open",
    ),
    "opportunity_withheld.explanation": Word(
        "The evidence and what holds it, in a sentence.",
        "46 of 50 seats were active in the last 28 days (92 %); not offered while: a risk is open",
    ),
}

_DECISIONS = {
    f"{fact}.note": Word("Why, in the words of who decided.", why)
    for fact, why in (
        ("opportunity_won", "a second team joins"),
        ("opportunity_lost", "no budget this year"),
        ("renewal_won", "reports save a day a week"),
        ("renewal_lost", "moved to another product"),
    )
}

_RENEWALS = {
    "contract_id": Word("The contract.", _ID.format(6)),
    "starts_on": Word("First day of the term.", "2026-01-12"),
    "ends_on": Word("Last day of the term.", "2027-01-11"),
    "notice_date": Word("Notice can be given until this day.", "2026-11-12"),
    "auto_renew": Word("True when the contract renews unless notice is given.", True),
    "amount_minor": Word("Amount of the term in minor units of the currency.", 1250000),
    "currency": Word("ISO 4217 code.", "EUR"),
    "renewal_id": Word("The renewal.", _ID.format(7)),
    "window_days": Word("How many days the notice date is away: 120, 90, 60 or 30.", 90),
    "probability": Word("How likely the renewal is now, 0 to 1.", 0.62),
    "previous_probability": Word("How likely it was before, 0 to 1.", 0.85),
    "save_id": Word("The save that is open for it.", _ID.format(8)),
    "save_closed": Word("True when no other reason keeps the save open.", True),
    "restored_at": Word("When the reason was found to be gone.", "2026-03-09T12:00:02Z"),
    "renewal_reassessed.reason": Word("The reason that was counted twice.", "usage_drop"),
    "renewal_reassessed.probability": Word("How likely it is now, 0 to 1.", 0.69),
    "renewal_reassessed.previous_probability": Word("How likely it was before, 0 to 1.", 0.47),
    "renewal_restored.reason": Word("The reason that is gone.", "usage_drop"),
    "renewal_restored.probability": Word("How likely it is now, 0 to 1.", 0.85),
    "renewal_restored.previous_probability": Word("How likely it was before, 0 to 1.", 0.62),
}

_NOTIFICATIONS = {
    "delivery_id": Word("The delivery; it stays the same over retries.", _ID.format(9)),
    "message_id": Word("The message; one message may have many deliveries.", _ID.format(10)),
    "channel": Word("How it was sent: inbox, email or webhook.", "email"),
    "delivered_at": Word("When the channel took it.", "2026-03-02T12:00:03Z"),
    "attempts": Word("How many attempts were made.", 1),
    "notification_failed.attempts": Word("How many attempts were made.", 12),
    "error": Word("Why the last attempt failed.", "550 mailbox unavailable"),
    "notification_delivered.reason": Word("What the message was about.", "usage_drop"),
    "notification_failed.reason": Word("What the message was about.", "usage_drop"),
}

WORDS: Mapping[str, Word] = MappingProxyType(
    {
        **_ACCOUNTS,
        **_LANDING,
        **_USAGE,
        **_HEALTH,
        **_HANDLING,
        **_EXPANSION,
        **_DECISIONS,
        **_RENEWALS,
        **_NOTIFICATIONS,
    }
)


def word_for(fact: str, field: str) -> Word | None:
    """Return what is known of a field of a fact (``owner_assigned``), or None."""
    return WORDS.get(f"{fact}.{field}") or WORDS.get(field)
