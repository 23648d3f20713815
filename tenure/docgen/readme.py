"""The table of events in README.md, between its markers."""

from shared.kernel.errors import NotFound
from tenure.docgen.events_page import event_table

BEGIN = "<!-- events:begin -->"
END = "<!-- events:end -->"

_MINIMAL = f"# Tenure\n\n## Events\n\n{BEGIN}\n{END}\n"


class NoMarkers(NotFound):
    """README.md has no place for the table of events: put the two markers where it belongs."""


def render(text: str | None) -> str:
    """Return the README with today's table; a minimal one if there is none.

    Raises `NoMarkers`.
    """
    text = _MINIMAL if text is None else text
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarkers(f"README.md: put {BEGIN} and {END} where the table of events belongs")
    return f"{before}{BEGIN}\n{event_table('docs/events.md#')}{END}{after}"
