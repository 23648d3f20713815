"""Fields that take only what the OpenAPI document says."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.web.fields import Day, Moment, Number, Whole


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((Day, each) for each in (0, 1.5, True, "7", "2026-02-30", "2026-03-02T00:00:00Z")),
        *((Moment, each) for each in (0, "7", "2026-03-02", "2026-03-02T12:00:00")),
        *((Moment, each) for each in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00")),
        *((Whole, each) for each in (True, "7", 1.0)),
        *((Number, each) for each in (True, "7", float("inf"))),
    ],
)
def test_what_is_only_like_it_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


def test_what_is_written_as_it_should_be_is_taken() -> None:
    assert TypeAdapter(Day).validate_python("2026-03-02") == date(2026, 3, 2)
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert TypeAdapter(Moment).validate_python("2026-03-02T12:00:00Z") == noon
    assert TypeAdapter(Number).validate_python(7) == 7
