"""The whole evidence of a run, from every place that knows something, and the figures in it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from tenure.demo.books import Auditor, Books, ToldAlert
from tenure.demo.cast import Part
from tenure.demo.log import Log, read_log
from tenure.demo.office import Office
from tenure.demo.receivers import ReceivedMail, ReceivedWebhook
from tenure.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert and how often it arrived on each channel."""

    account: str
    reason: str
    inbox: int
    email: int
    webhook: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found. ``renewals``, ``saves``, ``opportunities`` and ``explained`` by account."""

    books: Books
    log: Log
    alerts: Sequence[Alert]
    mails: int
    distinct_mails: int
    forged_hooks: int
    renewals: Mapping[str, Mapping[str, Any]]
    opportunities: Mapping[str, Sequence[Mapping[str, Any]]]
    explained: Mapping[str, Mapping[str, Any]]
    accounts: Mapping[Part, str]

    @property
    def published(self) -> int:
        """Distinct events by source and id: on the topic, and refused before they got there."""
        return len(set(self.log.usage) | self.books.rejections)

    @property
    def duplicates(self) -> int:
        """How often an event was on the topic once more."""
        return sum(self.log.usage.values()) - len(self.log.usage)

    @property
    def latencies_ms(self) -> Mapping[str, Sequence[float]]:
        """Milliseconds from the causing event to each channel, for every alert."""
        found: dict[str, list[float]] = {"inbox": [], "email": [], "webhook": []}
        for told in self.books.alerts:
            for channel, at in _arrivals(told).items():
                if at is not None:
                    found[channel].append((at - told.happened_at).total_seconds() * 1000)
        return {channel: sorted(values) for channel, values in found.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of sorted values; 0 when there are none."""
    if not values:
        return 0.0
    return values[max(1, ceil(share * len(values))) - 1]


async def gather(stage: Stage, auditor: Auditor, office: Office) -> Evidence:
    """Read everything back."""
    books = await auditor.read()
    mails, hooks = list(stage.mail.mails), list(stage.hooks.received)
    renewals, opportunities, explained = {}, {}, {}
    for account in stage.account_ids:
        renewals[account] = (await office.listed(f"renewals/accounts/{account}/renewals"))[0]
        found = await office.listed(f"expansion/accounts/{account}/opportunities")
        opportunities[account] = found
        explained[account] = await office.shown(f"health/accounts/{account}/health/explain")
    mine = [mail for mail in mails if mail.message["X-Tenure-Account"] in stage.account_ids]
    return Evidence(
        books=books,
        log=await read_log(stage),
        alerts=count_alerts(books.alerts, mails, hooks),
        mails=len(mine),
        distinct_mails=len({mail.message["Message-ID"] for mail in mine}),
        forged_hooks=sum(1 for hook in hooks if not hook.is_genuine),
        renewals=renewals,
        opportunities=opportunities,
        explained=explained,
        accounts={
            each.part: each.account_id for each in stage.cast if each.part is not Part.STEADY
        },
    )


def count_alerts(
    told: Sequence[ToldAlert], mails: Sequence[ReceivedMail], hooks: Sequence[ReceivedWebhook]
) -> Sequence[Alert]:
    """Count each alert as the receivers saw it: what is not genuine does not count."""
    by_mail = Counter(mail.message["Message-ID"] for mail in mails)
    by_hook = Counter(hook.webhook_id for hook in hooks if hook.is_genuine)
    return [
        Alert(
            account=each.account_id,
            reason=each.reason,
            inbox=each.inbox,
            email=sum(by_mail[f"<{mail}@tenure>"] for mail in each.mails),
            webhook=sum(by_hook[hook] for hook in each.hooks),
        )
        for each in told
    ]


def _arrivals(told: ToldAlert) -> Mapping[str, datetime | None]:
    return {"inbox": told.inbox_at, "email": told.email_at, "webhook": told.webhook_at}
