"""On which day of its account a moment falls."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

import numpy as np

from services.health.domain.usage.arrivals import Codes, Grouped
from shared.kernel.days import day_begins, day_ends, local_day, zone_of

_INSTANT = timedelta(microseconds=1)


class LocalDays:
    """Tells on which local day of its account a moment falls; no zone named is UTC."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self._zones = zones
        self._spans: dict[str, tuple[datetime, datetime, date]] = {}

    def of(self, account_id: str, moment: datetime) -> date:
        """Return the day. Nearly all moments of a batch fall on the day looked up before."""
        zone = self._zones.get(account_id, "UTC")
        span = self._spans.get(zone)
        if span is not None and span[0] <= moment < span[1]:
            return span[2]
        day = local_day(moment, zone_of(zone))
        span = _span(day, zone)
        if span is not None:
            self._spans[zone] = span
        return day

    def of_all(self, grouped: Grouped, times: Sequence[datetime]) -> Codes:
        """Return the days (`date.toordinal`) of events, in the order of their accounts.

        Where all of a batch falls on one day, its ends tell.
        """
        first, last = min(times), max(times)
        whole: dict[str, date | None] = {}
        days, split = [], []
        for account_id in grouped.ids:
            zone = self._zones.get(account_id, "UTC")
            if zone not in whole:
                whole[zone] = self._day_of_both(account_id, first, last)
            day = whole[zone]
            split.append(day is None)
            days.append(day.toordinal() if day else 0)
        found = np.repeat(np.array(days, dtype=np.int64), grouped.sizes)
        if any(split):
            places = np.flatnonzero(np.repeat(split, grouped.sizes))
            found[places] = self._one_by_one(places, grouped, times)
        return found

    def _day_of_both(self, account_id: str, first: datetime, last: datetime) -> date | None:
        day = self.of(account_id, first)
        span = self._spans.get(self._zones.get(account_id, "UTC"))
        return day if span is not None and span[0] <= first and last < span[1] else None

    def _one_by_one(self, places: Codes, grouped: Grouped, times: Sequence[datetime]) -> list[int]:
        ids = grouped.numbers()[places].tolist()
        moments = grouped.order[places].tolist()
        return [
            self.of(grouped.ids[number], times[moment]).toordinal()
            for number, moment in zip(ids, moments, strict=True)
        ]


@lru_cache(maxsize=4096)
def _span(day: date, zone: str) -> tuple[datetime, datetime, date] | None:
    """Return a day's first instant and the one after it; None when its clock changes.

    Only while the offset stands still is everything in between on that day for certain.
    """
    try:
        begins, ends = day_begins(day, zone_of(zone)), day_ends(day, zone_of(zone))
    except OverflowError:
        return None
    offsets = {_offset(begins, zone_of(zone)), _offset(ends - _INSTANT, zone_of(zone))}
    return (begins, ends, day) if len(offsets) == 1 else None


def _offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
