"""From tables of usage, signals and outcomes to a history, or to errors with their row numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from services.health.domain.backtest import tables
from services.health.domain.backtest.history import (
    EPOCH,
    NOBODY,
    History,
    KnownSignal,
    Renewal,
    UsageLog,
)
from services.health.domain.backtest.tables import Mistakes, Table
from services.health.domain.score.score import Signal

USAGE = (("account_id", "event"), ("day", "timestamp", "count", "user_id", "known_at"))
SIGNALS = (("account_id", "type", "observed_at"), ("value", "known_at"))
OUTCOMES = (
    ("account_id", "renewal_date", "lost"),
    ("mrr_minor", "currency", "segment", "starts_on", "notice_date", "notice_given_on"),
)
Tell = Callable[[int], None]
_TOLD_EVERY = 50_000
_DAY = 86_400


class _Names:
    """Numbers for names, in order of their first use."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))

    def listed(self) -> Sequence[str]:
        return tuple(self.numbers)


@dataclass(slots=True)
class Records:
    """Collects tables; `history` gives what they add up to. What is after `today` is refused."""

    today: date
    warnings: list[str] = field(default_factory=list)
    _accounts: _Names = field(default_factory=_Names)
    _events: _Names = field(default_factory=_Names)
    _users: _Names = field(default_factory=_Names)
    _usage: UsageLog = field(default_factory=UsageLog.empty)
    _signals: dict[int, list[KnownSignal]] = field(default_factory=dict)
    _renewals: dict[tuple[int, date], Renewal] = field(default_factory=dict)
    _segments: dict[int, str] = field(default_factory=dict)

    def add_usage(self, table: Table, tell: Tell = lambda _rows: None) -> None:
        """Read usage. Raises `RowsInvalid`, which names the rows."""
        places = table.places(*USAGE)
        if "day" not in places and "timestamp" not in places:
            raise tables.RowsInvalid(f"{table.name}: it needs a column day or timestamp")
        self._note_ignored(table, USAGE)
        read = _UsageReader(places, self.today, self._accounts, self._events, self._users)
        mistakes = Mistakes(table.name)
        columns: list[tuple[int, int, int, float, int, int]] = []
        for number, row in enumerate(table.rows, start=1):
            try:
                columns.append(read.entry(row))
            except ValueError as error:
                mistakes.note(number, error)
            if number % _TOLD_EVERY == 0:
                tell(number)
        mistakes.refuse()
        self._usage = _log(columns)

    def add_signals(self, table: Table) -> None:
        """Read signals. Raises `RowsInvalid`."""
        places = table.places(*SIGNALS)
        self._note_ignored(table, SIGNALS)
        mistakes = Mistakes(table.name)
        for number, row in enumerate(table.rows, start=1):
            try:
                account, signal = self._signal(_values(places, row))
                self._signals.setdefault(account, []).append(signal)
            except ValueError as error:
                mistakes.note(number, error)
        mistakes.refuse()

    def add_outcomes(self, table: Table) -> None:
        """Read how renewals ended. Raises `RowsInvalid`."""
        places = table.places(*OUTCOMES)
        self._note_ignored(table, OUTCOMES)
        mistakes = Mistakes(table.name)
        for number, row in enumerate(table.rows, start=1):
            try:
                self._add_renewal(_values(places, row))
            except ValueError as error:
                mistakes.note(number, error)
        mistakes.refuse()
        if not self._renewals:
            raise tables.RowsInvalid(f"{table.name}: there is no outcome in it")

    def history(self) -> History:
        """Return everything read so far."""
        accounts = self._accounts.listed()
        segments = [self._segments.get(number, "") for number in range(len(accounts))]
        return History(
            accounts=accounts,
            segments=segments,
            groups=segments,
            events=self._events.listed(),
            usage=self._usage,
            renewals=tuple(self._renewals.values()),
            signals=self._signals,
        )

    def _note_ignored(self, table: Table, known: tuple[Sequence[str], Sequence[str]]) -> None:
        ignored = table.ignored([*known[0], *known[1]])
        if ignored:
            self.warnings.append(f"{table.name}: columns not used: {', '.join(ignored)}")

    def _signal(self, row: Mapping[str, Any]) -> tuple[int, KnownSignal]:
        at = tables.moment("observed_at", row.get("observed_at"))
        tables.past_day("observed_at", at, self.today)
        known_at = _known_at(row["known_at"]) if "known_at" in row else at
        value = tables.number("value", row["value"]) if "value" in row else None
        account = self._accounts.of(tables.text("account_id", row.get("account_id")))
        signal = Signal(tables.text("type", row.get("type")), at, value)
        return account, KnownSignal(signal, max(known_at, at))

    def _add_renewal(self, row: Mapping[str, Any]) -> None:
        name = tables.text("account_id", row.get("account_id"))
        due = self._decided_day(row)
        account = self._accounts.of(name)
        if (account, due) in self._renewals:
            raise ValueError(f"{name} has an outcome on {due} already; keep one of them")
        self._renewals[account, due] = _renewal(account, due, row)
        if "segment" in row:
            self._segments[account] = tables.text("segment", row["segment"])

    def _decided_day(self, row: Mapping[str, Any]) -> date:
        """Read when a renewal was due; one to come is decided only by a notice that was given."""
        due = tables.day("renewal_date", row.get("renewal_date"))
        if "notice_given_on" in row:
            tables.past_day("notice_given_on", row["notice_given_on"], self.today)
            return due
        return tables.past_day("renewal_date", due, self.today)


class _UsageReader:
    """Reads rows of usage; texts of days and times repeat, and are read once."""

    def __init__(
        self,
        places: Mapping[str, int],
        today: date,
        accounts: _Names,
        events: _Names,
        users: _Names,
    ) -> None:
        self._places, self._today = places, today
        self._accounts, self._events, self._users = accounts, events, users
        self._days: dict[Any, int] = {}
        self._known: dict[Any, int] = {}

    def entry(self, row: Sequence[Any]) -> tuple[int, int, int, float, int, int]:
        at = self._places
        day = self._day(row)
        known = row[at["known_at"]] if "known_at" in at else None
        user = row[at["user_id"]] if "user_id" in at else None
        count = row[at["count"]] if "count" in at else None
        return (
            self._named("account_id", row[at["account_id"]], self._accounts),
            day,
            self._named("event", row[at["event"]], self._events),
            1.0 if tables.is_blank(count) else tables.number("count", count, low=0, high=1e12),
            NOBODY if tables.is_blank(user) else self._named("user_id", user, self._users),
            (day - EPOCH + 1) * _DAY if tables.is_blank(known) else self._moment(known),
        )

    def _day(self, row: Sequence[Any]) -> int:
        column = "day" if "day" in self._places else "timestamp"
        value = row[self._places[column]]
        found = self._days.get(value)
        if found is None:
            found = self._days[value] = tables.past_day(column, value, self._today).toordinal()
        return found

    def _moment(self, value: Any) -> int:
        found = self._known.get(value)
        if found is None:
            found = self._known[value] = int(_known_at(value).timestamp())
        return found

    def _named(self, column: str, value: Any, names: _Names) -> int:
        found = names.numbers.get(value) if isinstance(value, str) else None
        return names.of(tables.text(column, value)) if found is None else found


def _log(entries: Sequence[tuple[int, int, int, float, int, int]]) -> UsageLog:
    if not entries:
        return UsageLog.empty()
    table = np.array(entries, dtype=np.float64)
    account, day, event, count, user, known = table.T
    return UsageLog(
        account.astype(np.int64),
        day.astype(np.int64),
        event.astype(np.int64),
        count.copy(),
        user.astype(np.int64),
        known.astype(np.int64),
    )


def _values(places: Mapping[str, int], row: Sequence[Any]) -> Mapping[str, Any]:
    return {name: row[at] for name, at in places.items() if not tables.is_blank(row[at])}


def _known_at(value: Any) -> datetime:
    """Read when something was known; a day alone means its end."""
    found = tables.moment("known_at", value)
    is_day = (isinstance(value, date) and not isinstance(value, datetime)) or (
        isinstance(value, str) and len(value.strip()) == len("2026-03-31")
    )
    return found + timedelta(days=1) if is_day else found


def _renewal(account: int, due: date, row: Mapping[str, Any]) -> Renewal:
    mrr = tables.whole("mrr_minor", row["mrr_minor"]) if "mrr_minor" in row else None
    currency = tables.text("currency", row["currency"]) if "currency" in row else None
    if mrr is not None and currency is None:
        raise ValueError("currency: money needs one, such as EUR")
    renewal = Renewal(
        account,
        due,
        tables.claim("lost", row.get("lost")),
        mrr,
        currency,
        starts_on=_optional_day(row, "starts_on"),
        notice_on=_optional_day(row, "notice_date"),
        notice_given_on=_optional_day(row, "notice_given_on"),
    )
    if renewal.starts_on is not None and renewal.starts_on >= due:
        raise ValueError(f"starts_on ({renewal.starts_on}) must be before renewal_date ({due})")
    return renewal


def _optional_day(row: Mapping[str, Any], column: str) -> date | None:
    return tables.day(column, row[column]) if column in row else None
