"""How a back-test looks at history: the settings of one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from shared.kernel.errors import Invalid

MONTH = 30
_SHORT_HORIZON = 62
_LEADS = (30, 90, 180, 270)
_SHORT_LEADS = (7, 14, 21)


class PlanInvalid(Invalid):
    """The settings of the back-test contradict each other."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings: every figure of the result depends on these and on the data alone.

    ``horizon_days``: a landmark looks at the account's next renewal up to so many days ahead, and
    the embargo between training and test is as long. ``min_lead_days``: and no nearer than this;
    what a customer does after having decided predicts nothing. ``budget``: the share of accounts
    people can look into at each landmark. ``every_days`` None means the first of each month.
    """

    horizon_days: int = 300
    min_lead_days: int = MONTH
    budget: float = 0.2
    every_days: int | None = None
    since: date | None = None
    until: date | None = None
    test_from: date | None = None
    seed: int = 1
    replicates: int = 200

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if not 1 <= self.horizon_days <= 1100:
            raise PlanInvalid(f"horizon_days: write 1 to 1100, not {self.horizon_days}")
        if not 1 <= self.min_lead_days <= self.horizon_days:
            raise PlanInvalid(
                f"min_lead_days: write 1 to horizon_days ({self.horizon_days}), "
                f"not {self.min_lead_days}"
            )
        if not 0 < self.budget < 1:
            raise PlanInvalid(f"budget: write a share between 0 and 1, not {self.budget:g}")
        if self.every_days is not None and not 1 <= self.every_days <= 92:
            raise PlanInvalid(f"every_days: write 1 to 92, not {self.every_days}")
        if self.since and self.until and self.since >= self.until:
            raise PlanInvalid(f"since ({self.since}) must be before until ({self.until})")
        if not 20 <= self.replicates <= 2000:
            raise PlanInvalid(f"replicates: write 20 to 2000, not {self.replicates}")

    @property
    def step_days(self) -> int:
        """Return the days from one landmark to the next, at most."""
        return self.every_days or MONTH + 1

    def leads(self) -> Sequence[int]:
        """Return the leads, in days, at which figures are given, as far as the horizon goes."""
        wanted = _LEADS if self.horizon_days > _SHORT_HORIZON else _SHORT_LEADS
        return [
            lead
            for lead in wanted
            if lead >= self.min_lead_days and lead + self.step_days - 1 <= self.horizon_days + 1
        ]

    def landmarks(self, first: date, last: date) -> Sequence[date]:
        """Return the days on which history is looked at, within ``since`` and ``until``."""
        start = max(first, self.since) if self.since else first
        end = min(last, self.until) if self.until else last
        found, day = [], start if self.every_days else _first_of_month(start)
        while day <= end:
            found.append(day)
            day = day + timedelta(days=self.every_days) if self.every_days else _next_month(day)
        return found


def _first_of_month(day: date) -> date:
    return day if day.day == 1 else _next_month(day)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
