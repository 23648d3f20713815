"""Health profiles: every version that was ever stored, and which ones are in force."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from shared.db.transaction import Transaction

_ACTIVE = "activated_at IS NOT NULL AND retired_at IS NULL"
_SHOWN = (
    "name, version, checksum, created_at, created_by, activated_at, activated_by, retired_at, "
    f"backtest, ({_ACTIVE}) AS is_active"
)


class NewVersion(NamedTuple):
    """A version to store: its document, the text it was written as, and who brought it."""

    name: str
    version: int
    document: Mapping[str, Any]
    source: str
    checksum: str
    created_by: str


class Revision(NamedTuple):
    """What is in force: it changes when a version is activated or retired, never else.

    ``shipped`` names the files of this software, by checksum, that were stored already.
    """

    revision: str
    shipped: frozenset[str]


async def revision(tx: Transaction) -> Revision | None:
    """Return what is in force; None before the first profile is stored."""
    row = await tx.fetch_one("SELECT revision, shipped FROM profile_revision")
    return Revision(row["revision"], frozenset(row["shipped"])) if row else None


async def lock(tx: Transaction) -> None:
    """Let one transaction at a time change what is in force."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('profiles'))")


async def note_revision(tx: Transaction, shipped: Sequence[str] = ()) -> Revision:
    """Note what is in force now: the same profiles give the same revision, wherever."""
    await tx.execute(
        "INSERT INTO profile_revision AS r (is_only, revision, shipped) "
        "SELECT true, md5(coalesce(string_agg(name || '@' || version || ':' || checksum, ',' "
        f"ORDER BY name), '')), CAST(:shipped AS text[]) FROM profiles WHERE {_ACTIVE} "
        "ON CONFLICT (is_only) DO UPDATE SET revision = EXCLUDED.revision, shipped = "
        "ARRAY(SELECT DISTINCT unnest(r.shipped || EXCLUDED.shipped) ORDER BY 1)",
        shipped=list(shipped),
    )
    noted = await revision(tx)
    return noted or Revision("", frozenset())


async def add(tx: Transaction, new: NewVersion) -> bool:
    """Store a version; return False when there is one of that name and number already."""
    added = await tx.execute(
        "INSERT INTO profiles (name, version, document, source, checksum, created_at, created_by) "
        "VALUES (:name, :version, :document, :source, :checksum, :now, :created_by) "
        "ON CONFLICT DO NOTHING",
        now=tx.now,
        **{**new._asdict(), "document": dict(new.document)},
    )
    return added == 1


async def active(tx: Transaction) -> Sequence[RowMapping]:
    """Return the versions in force with their documents, by name."""
    return await tx.fetch_all(f"SELECT * FROM profiles WHERE {_ACTIVE} ORDER BY name")


async def get(tx: Transaction, name: str, version: int) -> RowMapping | None:
    """Return a version with its document."""
    return await tx.fetch_one(
        f"SELECT *, ({_ACTIVE}) AS is_active FROM profiles "
        "WHERE name = :name AND version = :version",
        name=name,
        version=version,
    )


async def newest(tx: Transaction, name: str) -> RowMapping | None:
    """Return the highest version of a name."""
    return await tx.fetch_one(
        f"SELECT {_SHOWN} FROM profiles WHERE name = :name ORDER BY version DESC LIMIT 1",
        name=name,
    )


async def names(tx: Transaction, *, after: str | None, limit: int) -> Sequence[RowMapping]:
    """Return each name with its newest and its active version, by name."""
    return await tx.fetch_all(
        "SELECT name, max(version) AS newest_version, count(*) AS versions, "
        f"max(version) FILTER (WHERE {_ACTIVE}) AS active_version, "
        f"max(activated_at) FILTER (WHERE {_ACTIVE}) AS activated_at, "
        f"max(activated_by) FILTER (WHERE {_ACTIVE}) AS activated_by "
        "FROM profiles WHERE CAST(:after AS text) IS NULL OR name > :after "
        "GROUP BY name ORDER BY name LIMIT :limit",
        after=after,
        limit=limit,
    )


async def versions(
    tx: Transaction, name: str, *, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return the versions of a name without their documents, newest first."""
    return await tx.fetch_all(
        f"SELECT {_SHOWN} FROM profiles WHERE name = :name "
        "AND (CAST(:before AS int) IS NULL OR version < :before) "
        "ORDER BY version DESC LIMIT :limit",
        name=name,
        before=before,
        limit=limit,
    )


async def activate(tx: Transaction, name: str, version: int, by: str) -> None:
    """Put a version in force in the place of the one that was."""
    await retire(tx, name)
    await tx.execute(
        "UPDATE profiles SET activated_at = :now, activated_by = :by, retired_at = NULL "
        "WHERE name = :name AND version = :version",
        name=name,
        version=version,
        by=by,
        now=tx.now,
    )


async def retire(tx: Transaction, name: str) -> None:
    """Take the active version of a name out of force."""
    await tx.execute(
        f"UPDATE profiles SET retired_at = :now WHERE name = :name AND {_ACTIVE}",
        name=name,
        now=tx.now,
    )


async def save_backtest(
    tx: Transaction, name: str, version: int, summary: Mapping[str, Any]
) -> None:
    """Keep the summary of a version's newest back-test, shown when it is activated."""
    await tx.execute(
        "UPDATE profiles SET backtest = :summary WHERE name = :name AND version = :version",
        name=name,
        version=version,
        summary=dict(summary),
    )
