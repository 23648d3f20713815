"""Profiles as versioned data: shipped once, chosen by people, seen by every replica."""

from typing import Any

import yaml

from services.health.storage.account import accounts, standing
from services.health.storage.profile import profiles
from services.health.usecases.profile.documents import read_document
from services.health.usecases.profile.profiles import PROFILES, Profiles
from shared.db.transaction import Database, Transaction
from tests.builders.health import default_document
from tests.conftest import NOON, OpenDatabase


def written(name: str = "default", version: int = 9, **other: Any) -> str:
    return yaml.safe_dump({**default_document(), "name": name, "version": version, **other})


async def put_in_force(tx: Transaction, text: str) -> None:
    new = read_document(text).by("ana")
    assert await profiles.add(tx, new)
    await profiles.activate(tx, new.name, new.version, "ana")
    await profiles.note_revision(tx)


async def in_force(database: Database, book: Profiles) -> set[str]:
    async with database.transaction() as tx:
        return {one.label for one in (await book.current(tx)).profiles}


async def test_an_empty_installation_begins_with_the_shipped_profiles(
    open_database: OpenDatabase,
) -> None:
    health = await open_database("health")
    labels = await in_force(health, Profiles())
    assert {label.partition("@")[0] for label in labels} >= {"default"}
    async with health.transaction() as tx:
        stored = await profiles.active(tx)
        assert {row["created_by"] for row in stored} == {"tenure"}
        # The text is kept as it was written, comments and all.
        assert all("#" in row["source"] for row in stored)


async def test_a_replica_sees_in_its_next_transaction_what_another_one_activated(
    open_database: OpenDatabase,
) -> None:
    here, there = await open_database("health"), await open_database("health")
    mine, theirs = Profiles(), Profiles()
    assert await in_force(here, mine) == await in_force(there, theirs)
    async with here.transaction() as tx:
        await put_in_force(tx, written(version=9))
        assert "default@9" in {one.label for one in (await mine.current(tx)).profiles}
        # Not before the other one has decided.
        assert "default@9" not in await in_force(there, theirs)
    assert "default@9" in await in_force(there, theirs)


async def test_an_upgrade_adds_a_version_and_leaves_the_chosen_one_in_force(
    open_database: OpenDatabase,
) -> None:
    health = await open_database("health")
    await in_force(health, PROFILES)
    async with health.transaction() as tx:
        await put_in_force(tx, written(version=9))
        # As it is when a newer software comes with a file that is not stored yet.
        await tx.execute("UPDATE profile_revision SET shipped = '{}'")
        await tx.execute("DELETE FROM profiles WHERE name = 'default' AND version < 9")
    assert "default@9" in await in_force(health, Profiles())
    async with health.transaction() as tx:
        stored = await profiles.versions(tx, "default", before=None, limit=9)
        assert [row["is_active"] for row in stored] == [True, False]


async def test_an_account_is_judged_by_segment_and_stage_of_life(
    open_database: OpenDatabase,
) -> None:
    health = await open_database("health")
    await in_force(health, PROFILES)
    async with health.transaction() as tx:
        await put_in_force(tx, written("big", applies_to={"segments": ["galactic"]}))
        await accounts.upsert(tx, "acme", "galactic", "UTC")
        await accounts.upsert(tx, "new", "galactic", "UTC")
        await standing.note_onboarding(tx, "new", started_at=NOON, completed_at=None)
    async with health.transaction() as tx:
        found = await PROFILES.for_accounts(tx, ["acme", "new", "unheard-of"])
    assert found["acme"].name == "big"
    assert found["new"].name in {"onboarding", "big"}
    assert found["unheard-of"].name == "default"
