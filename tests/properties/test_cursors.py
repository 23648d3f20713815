"""Cursors of pages, which anybody may make up."""

from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.pagination import InvalidCursor, decode_cursor


@given(st.text(max_size=60))
def test_no_text_breaks_the_cursor_reader(text: str) -> None:
    try:
        decode_cursor(text, {"score": int, "at": datetime, "id": UUID})
    except InvalidCursor:
        return
    pytest.fail("random text was taken for a cursor")
