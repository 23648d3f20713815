"""Contacts over HTTP."""

from typing import Annotated, ClassVar, Self

from fastapi import Depends, Path, Query, Response
from pydantic import BaseModel, Field, StrictBool

from services.onboarding.api.common import (
    PREFIX,
    READ,
    WRITE,
    AccountId,
    Change,
    Email,
    Order,
    Text,
    TimeZone,
)
from services.onboarding.domain.account import AccountNotFound
from services.onboarding.domain.contact import (
    Channel,
    Contact,
    ContactExists,
    ContactNotFound,
    ContactRole,
    ContactStatus,
    InvalidLanguage,
)
from services.onboarding.domain.wording import InvalidEmail, InvalidText, UnknownTimeZone
from services.onboarding.storage import contacts as stored
from services.onboarding.usecases import accounts, contacts
from shared.web.deps import Tx
from shared.web.etags import (
    IfMatch,
    PreconditionFailed,
    PreconditionRequired,
    check_version,
    set_etag,
)
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import api_router

router = api_router(f"{PREFIX}/{{account_id}}/contacts", tags=["contacts"])

ContactId = Annotated[str, Path(description="The contact's id, as the list shows it.")]
Language = Annotated[
    str, Field(min_length=2, max_length=35, description="A BCP 47 tag.", examples=["de"])
]
_BAD_FIELDS = (InvalidText, InvalidEmail, InvalidLanguage, UnknownTimeZone)


class AddContact(Order):
    """A person at the account."""

    name: Text = Field(examples=["Kim Sorel"])
    email: Email
    role: ContactRole
    external_user_id: Text | None = Field(
        default=None, description="Their user id in your product.", examples=["u-17"]
    )
    language: Language = "en"
    time_zone: TimeZone | None = Field(default=None, description="The account's, if left out.")
    channel: Channel = Field(default=Channel.EMAIL, description="How they want to be reached.")
    do_not_contact: StrictBool = False


class ChangeContact(Change):
    """What is to be different about a contact; `status` left says that they left."""

    clearable: ClassVar[frozenset[str]] = frozenset({"external_user_id"})

    name: Text | None = None
    email: Email | None = None
    role: ContactRole | None = None
    external_user_id: Text | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    channel: Channel | None = None
    do_not_contact: StrictBool | None = None
    status: ContactStatus | None = None


class ContactOut(BaseModel):
    """A person at the account. `version` is the contact's ETag."""

    contact_id: str
    account_id: str = Field(examples=["acme"])
    name: str = Field(examples=["Kim Sorel"])
    email: str = Field(examples=["kim@example.com"])
    role: ContactRole
    external_user_id: str | None = Field(examples=["u-17"])
    language: str = Field(examples=["de"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    channel: Channel
    do_not_contact: bool
    status: ContactStatus
    version: int = Field(examples=[1])

    @classmethod
    def of(cls, contact: Contact) -> Self:
        """Return a contact as people see it."""
        return cls(
            contact_id=contact.id,
            **{name: getattr(contact, name) for name in cls.model_fields if name != "contact_id"},
        )


async def held_contact(tx: Tx, account_id: AccountId, contact_id: ContactId) -> Contact:
    """Return the contact of the path, held for a change."""
    return await contacts.contact_to_change(tx, account_id, contact_id)


HeldContact = Annotated[Contact, Depends(held_contact)]


async def matched_contact(contact: HeldContact, if_match: IfMatch) -> Contact:
    """Return the contact of the path, held for a change from the version that was read."""
    check_version(if_match, contact.version)
    return contact


@router.post(
    "",
    status_code=201,
    dependencies=[WRITE],
    responses=responses(AccountNotFound, ContactExists, *_BAD_FIELDS),
)
async def add_contact(
    tx: Tx, account_id: AccountId, order: AddContact, response: Response
) -> ContactOut:
    """Add a person at the account."""
    contact = await contacts.add_contact(tx, account_id, order.model_dump(exclude_none=True))
    response.headers["Location"] = f"{PREFIX}/{account_id}/contacts/{contact.id}"
    return _shown(contact, response)


@router.get("", dependencies=[READ], responses=responses(AccountNotFound, InvalidCursor))
async def list_contacts(
    tx: Tx,
    account_id: AccountId,
    paging: PageQuery,
    status: Annotated[ContactStatus | None, Query()] = None,
) -> Page[ContactOut]:
    """List the people at an account, those known longest first."""
    await accounts.known_account(tx, account_id)
    after = paging.after(contact_id=str)
    found = await stored.listed(
        tx,
        account_id,
        status=status,
        after=after["contact_id"] if after else None,
        limit=paging.fetch,
    )
    return paging.page(found, item=ContactOut.of, key=lambda last: {"contact_id": last.id})


@router.get(
    "/{contact_id}",
    dependencies=[READ],
    responses=responses(AccountNotFound, ContactNotFound),
)
async def get_contact(
    tx: Tx, account_id: AccountId, contact_id: ContactId, response: Response
) -> ContactOut:
    """Show a person at the account."""
    await accounts.known_account(tx, account_id)
    return _shown(await contacts.known_contact(tx, account_id, contact_id), response)


@router.patch(
    "/{contact_id}",
    dependencies=[WRITE],
    responses=responses(
        AccountNotFound,
        ContactNotFound,
        ContactExists,
        PreconditionRequired,
        PreconditionFailed,
        *_BAD_FIELDS,
    ),
)
async def change_contact(
    tx: Tx,
    contact: Annotated[Contact, Depends(matched_contact)],
    change: ChangeContact,
    response: Response,
) -> ContactOut:
    """Change a contact; `status` left and active say that they left and came back."""
    after = await contacts.edit_contact(tx, contact, change.model_dump(exclude_unset=True))
    return _shown(after, response)


@router.post(
    "/{contact_id}/leave",
    dependencies=[WRITE],
    responses=responses(AccountNotFound, ContactNotFound),
)
async def leave(tx: Tx, contact: HeldContact, response: Response) -> ContactOut:
    """Note that a person left the account; saying it twice changes nothing."""
    return _shown(await contacts.let_go(tx, contact), response)


def _shown(contact: Contact, response: Response) -> ContactOut:
    set_etag(response, contact.version)
    return ContactOut.of(contact)
