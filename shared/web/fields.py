"""Types of fields that take only what the OpenAPI document says.

By itself pydantic also takes 7 for the moment 1970-01-01T00:00:07Z, true for 1 and "yes" for true:
a mistake of the sender would be kept as if it were meant.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*", re.ASCII)


def _written_as_day(value: Any) -> Any:
    if not isinstance(value, (str, date)) or not _ISO_DAY.fullmatch(str(value)):
        raise ValueError("Write the day as YYYY-MM-DD")
    return value


def _written_as_moment(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _ISO_MOMENT.fullmatch(value)):
        return value
    raise ValueError("Write the time as RFC 3339 has it, such as 2026-03-02T12:00:00Z")


def _storable(moment: datetime) -> datetime:
    # In UTC it may be a day earlier or later, and neither may fall out of the calendar.
    if not 1 < moment.year < 9999:
        raise ValueError("Choose a year from 2 to 9998")
    return moment


Day = Annotated[date, BeforeValidator(_written_as_day)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_as_moment), AfterValidator(_storable)]
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
