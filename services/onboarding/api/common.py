"""What all routes of onboarding share."""

from typing import Annotated, ClassVar, Self

from fastapi import Depends, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.onboarding.domain.account import Account
from services.onboarding.usecases import accounts
from shared.web.deps import Tx, authorize
from shared.web.etags import IfMatch, check_version

PREFIX = "/api/v1/accounts"
READ = authorize("onboarding:read")
WRITE = authorize("onboarding:write")

AccountId = Annotated[
    str, Path(description="The id the company's own product uses.", examples=["acme"])
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=254),
    Field(examples=["ana@example.com"]),
]
TimeZone = Annotated[
    str,
    Field(max_length=64, description="A name of the IANA database.", examples=["Europe/Berlin"]),
]


class Order(BaseModel):
    """A request body: what is not known here is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Change(Order):
    """The body of a PATCH: only the fields that are there change.

    ``clearable`` names the fields for which null is a value.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    clearable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _refuse_nothing(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        nulls = [name for name in self.model_fields_set if getattr(self, name) is None]
        if refused := sorted(set(nulls) - self.clearable):
            raise ValueError(f"{', '.join(refused)} cannot be null; leave out what is to stay")
        return self


async def matched_account(tx: Tx, account_id: AccountId, if_match: IfMatch) -> Account:
    """Return the account of the path, held for a change from the version that was read.

    Raises `AccountNotFound`, `PreconditionRequired` or `PreconditionFailed`.
    """
    account = await accounts.account_to_change(tx, account_id)
    check_version(if_match, account.version)
    return account


MatchedAccount = Annotated[Account, Depends(matched_account)]
