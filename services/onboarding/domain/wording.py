"""What people and products may write into a text field."""

import re
import unicodedata

from shared.kernel.days import is_time_zone
from shared.kernel.errors import Invalid

_EMAIL = re.compile(r"[^@\s\"<>(),;:\\\[\]]+@[^@\s\"<>(),;:\\\[\].]+(\.[^@\s\"<>(),;:\\\[\].]+)+")
_EMAIL_LIMIT = 254
_UNSTORABLE = {"Cc", "Cs"}  # control characters forge log lines, lone surrogates are not text


class InvalidText(Invalid):
    """A text is empty, too long, or holds control characters."""


class InvalidEmail(Invalid):
    """This is not an e-mail address."""


class UnknownTimeZone(Invalid):
    """The time zone is not a name of the IANA database, such as Europe/Berlin."""


def checked_text(field: str, value: str, limit: int = 200) -> str:
    """Return the text without space around it; 1 to ``limit`` characters.

    Raises `InvalidText` naming the field, never the text: it may be personal.
    """
    text = value.strip()
    if not 1 <= len(text) <= limit or not is_storable(text):
        raise InvalidText(
            f"{field} has 1 to {limit} characters and no control characters.", field=field
        )
    return text


def checked_email(value: str) -> str:
    """Return the address without space around it. Raises `InvalidEmail`, not repeating it."""
    address = value.strip()
    if len(address) > _EMAIL_LIMIT or not is_storable(address) or not _EMAIL.fullmatch(address):
        raise InvalidEmail(field="email")
    return address


def checked_time_zone(name: str) -> str:
    """Return the name. Raises `UnknownTimeZone`."""
    if not is_time_zone(name):
        raise UnknownTimeZone(field="time_zone")
    return name


def is_storable(text: str) -> bool:
    """Tell whether every character can be kept as text."""
    return not any(unicodedata.category(character) in _UNSTORABLE for character in text)
