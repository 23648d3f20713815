"""A look at a record's bytes instead of at each of its texts."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from services.health.listeners.usage_wire import is_simple


@given(text=st.text(), raw=st.booleans())
@example(text="\x7f", raw=True)
@example(text="é", raw=True)
@example(text="\u2028", raw=False)
@example(text="a\nb", raw=False)
def test_what_looks_simple_is_printable(*, text: str, raw: bool) -> None:
    value = f'["{text}"]'.encode(errors="replace") if raw else msgspec.json.encode([text])
    try:
        found = msgspec.json.decode(value, type=list[str])
    except msgspec.DecodeError:
        return
    assert not is_simple(value) or "".join(found).isprintable()


@given(
    text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='\\"'))
)
def test_plain_english_looks_simple(text: str) -> None:
    assert is_simple(msgspec.json.encode([text]))
