"""What people hear of a risk, under any findings."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.health.domain.profile.profile import Severity
from services.health.domain.risk.deciding import decide
from services.health.domain.risk.risk import Opened, Recovered, RiskRule, Stage, Status, Worsened
from tests.builders.health import NOW, finding

RULE = RiskRule(cool_down=timedelta(days=7))
TWICE = RiskRule(timedelta(days=7), confirmations=2, window=timedelta(days=1))
DAY = timedelta(days=1)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(Stage)), st.sampled_from(list(Severity))), max_size=30),
    st.sampled_from([RULE, TWICE]),
)
def test_people_hear_opened_then_worsened_then_recovered_and_never_twice(
    sightings: list[tuple[Stage, Severity]], rule: RiskRule
) -> None:
    risk, is_open = None, False
    for number, (stage, severity) in enumerate(sightings):
        decision = decide(risk, finding(stage, severity), NOW + number * DAY, rule)
        assert isinstance(decision, Opened) <= (not is_open)
        assert isinstance(decision, Worsened | Recovered) <= is_open
        risk = decision.risk
        is_open = risk is not None and risk.status is Status.OPEN
