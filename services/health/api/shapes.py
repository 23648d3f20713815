"""What several routes of signals and risks read: account ids, and who says something, and why."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.health.usecases.risk.handling import Words
from shared.auth.principal import Principal
from shared.kernel.ids import ACCOUNT_ID
from shared.web.deps import authorize

PATTERN = f"^{ACCOUNT_ID.pattern}$"
AccountId = Annotated[str, Path(pattern=PATTERN)]
BodyAccountId = Annotated[str, Field(pattern=PATTERN)]
Reader = Annotated[Principal, authorize("health:read")]
Writer = Annotated[Principal, authorize("health:write")]


def _in_words(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text must not contain the NUL character")
    if text and not text.strip():
        raise ValueError("write words, not blanks alone")
    return text


Text = Annotated[str, AfterValidator(_in_words)]


class By(BaseModel):
    """Who does something, where the key does not say it."""

    model_config = ConfigDict(extra="forbid")

    by: Text | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Who does this; default is the name of the key.",
    )


class Note(By):
    """Words that may be left out."""

    note: Text | None = Field(default=None, min_length=1, max_length=2000)

    def words(self, who: Principal) -> Words:
        """Return who says what."""
        return Words(self.by or who.name, self.note)


class Reason(By):
    """Words that must be there."""

    reason: Text = Field(min_length=1, max_length=2000, description="Why, in your words.")

    def words(self, who: Principal) -> Words:
        """Return who says what."""
        return Words(self.by or who.name, self.reason)
