"""The profiles in force: read once, read again when somebody activates or retires one."""

from collections.abc import Mapping, Sequence
from functools import cache

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.domain.profile.selection import DEFAULT
from services.health.domain.profile.standing import Standing
from services.health.storage.account import accounts, standing
from services.health.storage.profile import profiles
from services.health.storage.profile.profiles import Revision
from services.health.usecases.files.files import shipped_profiles
from services.health.usecases.profile.documents import Document, read_document
from shared.db.transaction import Row, Transaction
from shared.observability.logging import get_logger

log = get_logger(__name__)

SHIPPED_BY = "tenure"
"""Who brings the profiles that come with the software."""


class Profiles:
    """The profile book, cached by its revision: one look at one row in each transaction.

    What another replica activates is seen by the next transaction here. The revision is made of
    names, versions and checksums, so a cached book is right for every database that has it.
    """

    def __init__(self) -> None:
        self._known: tuple[str, ProfileBook] | None = None

    async def current(self, tx: Transaction) -> ProfileBook:
        """Return the profiles in force; store the shipped ones first if they are not yet."""
        found = await profiles.revision(tx)
        if found is None or not _labels() <= found.shipped:
            found = await ship_profiles(tx)
        known = self._known
        if known is None or known[0] != found.revision:
            known = (found.revision, _book(await profiles.active(tx)))
            self._known = known
        return known[1]

    def sums(self) -> Mapping[str, frozenset[str]]:
        """Return the properties to add up, by event name, as far as this process has heard.

        For readers that have no transaction yet; a job looks four times a second.
        """
        return self._known[1].wanted() if self._known else {}

    async def version(self, tx: Transaction, name: str, version: int | None) -> Profile | None:
        """Return a version of a profile, in force or not; without a number the one in force."""
        in_force = (await self.current(tx)).get(name)
        if version is None or (in_force is not None and in_force.version == version):
            return in_force
        row = await profiles.get(tx, name, version)
        return parse_profile(row["document"]) if row else None

    async def for_account(self, tx: Transaction, account_id: str) -> Profile:
        """Return the profile that judges an account."""
        return (await self.for_accounts(tx, [account_id]))[account_id]

    async def for_accounts(
        self, tx: Transaction, account_ids: Sequence[str]
    ) -> Mapping[str, Profile]:
        """Return the profile that judges each account; unknown accounts have the default's."""
        book = await self.current(tx)
        segments = await accounts.segments(tx, account_ids)
        today = tx.now.date()
        where = await standing.of_accounts(tx, account_ids, today)
        return {
            account_id: book.for_account(
                segments.get(account_id, accounts.DEFAULT_SEGMENT),
                where.get(account_id, Standing()).life_stage(today),
            )
            for account_id in account_ids
        }


PROFILES = Profiles()


def _book(rows: Sequence[Row]) -> ProfileBook:
    """Return the book; a version this software cannot read any more must not stop everything."""
    read = []
    for row in rows:
        try:
            read.append(parse_profile(row["document"]))
        except ProfileInvalid as error:
            label = f"{row['name']}@{row['version']}"
            log.error("profile_unreadable", profile=label, error=error.detail)  # noqa: TRY400 - what to change is said, a traceback says less
    if not any(one.name == DEFAULT for one in read):
        read.append(shipped_documents()[0].profile)
    return ProfileBook(tuple(read))


async def ship_profiles(tx: Transaction) -> Revision:
    """Store the profiles that come with the software; return what is in force then.

    On an empty installation they are put in force. Later a new version is only added: what judges
    customers is changed by a person, not by an upgrade.
    """
    await profiles.lock(tx)
    is_first = await profiles.revision(tx) is None
    for document in shipped_documents():
        await _ship(tx, document)
        if is_first:
            await profiles.activate(tx, document.profile.name, document.profile.version, SHIPPED_BY)
    return await profiles.note_revision(tx, sorted(_labels()))


async def _ship(tx: Transaction, document: Document) -> None:
    profile = document.profile
    if await profiles.add(tx, document.by(SHIPPED_BY)):
        return
    stored = await profiles.get(tx, profile.name, profile.version)
    if stored is not None and stored["checksum"] != document.checksum:
        # A stored version never changes: decisions name it.
        log.warning("shipped_profile_differs", profile=profile.label, advice="raise its version")


@cache
def shipped_documents() -> tuple[Document, ...]:
    """Return the profiles that come with the software; the first is the default."""
    texts = shipped_profiles()
    default = read_document(texts[DEFAULT])
    others = [text for name, text in texts.items() if name != DEFAULT]
    return (default, *(read_document(text, {DEFAULT: default.values}) for text in others))


@cache
def _labels() -> frozenset[str]:
    return frozenset(f"{one.profile.label}:{one.checksum}" for one in shipped_documents())
