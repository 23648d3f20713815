"""How facts read on the terminal."""

from datetime import UTC, datetime, timedelta

from shared.contracts.health import RiskOpened, ScoreChanged
from shared.contracts.notifications import NotificationDelivered
from shared.contracts.renewals import RenewalReassessed
from tenure.demo.lines import Lines

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAMES = {"acme": "Acme [Group]"}


def opened(explanation: str = "Usage at 40 % of normal.") -> RiskOpened:
    return RiskOpened(
        account_id="acme",
        risk_id="r1",
        reason="usage_drop",
        severity="high",
        title="Usage has dropped",
        explanation=explanation,
        next_step="Call.",
        profile="default@1",
        caused_at=NOON,
    )


def delivered(channel: str, after: float, message: str = "m1") -> NotificationDelivered:
    return NotificationDelivered(
        account_id="acme",
        delivery_id=f"{message}-{channel}",
        message_id=message,
        channel=channel,
        reason="usage_drop",
        delivered_at=NOON + timedelta(seconds=after),
        attempts=1,
    )


def told(lines: Lines, *facts: RiskOpened | NotificationDelivered) -> str:
    return "\n".join(line for fact in facts for line in lines.of(fact, NOON))


def test_an_alert_is_told_once_it_is_on_every_channel() -> None:
    lines = Lines(NAMES)
    first = told(lines, opened(), delivered("inbox", 0.2), delivered("email", 0.3))
    assert "Usage has dropped (high)" in first
    assert "✉" not in first
    last = told(lines, delivered("webhook", 0.25), delivered("inbox", 9.0, message="m2"))
    assert "inbox 0.20 s · webhook 0.25 s · email 0.30 s" in last
    assert last.count("✉") == 1


def test_deliveries_heard_before_their_risk_are_not_lost() -> None:
    channels = [delivered(name, 0.2) for name in ("inbox", "email", "webhook")]
    assert "✉" in told(Lines(NAMES), *channels, opened())


def test_an_explanation_that_repeats_the_title_is_left_out() -> None:
    assert told(Lines(NAMES), opened("Usage has dropped (on 2026-03-02).")).count("\n") == 0


def test_only_a_change_between_known_bands_is_told() -> None:
    def score(before: str | None, now: str) -> ScoreChanged:
        return ScoreChanged(
            account_id="acme",
            score=40.0,
            band=now,
            previous_score=80.0,
            previous_band=before,
            coverage=0.5,
            profile="default@1",
        )

    lines = Lines(NAMES)
    assert list(lines.of(score(None, "healthy"), NOON)) == []
    assert list(lines.of(score("watch", "watch"), NOON)) == []
    assert "80 → 40, at risk" in next(lines.of(score("healthy", "at_risk"), NOON))


def test_a_reason_that_counts_with_another_is_not_told_as_restored() -> None:
    fact = RenewalReassessed(
        account_id="acme",
        renewal_id="n1",
        reason="usage_drop",
        into_reason="silence",
        probability=0.6,
        previous_probability=0.4,
    )
    (line,) = Lines(NAMES).of(fact, NOON)
    assert line.endswith("renewal 40% → 60%, usage drop counts with silence")
