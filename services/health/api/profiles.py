"""Health profiles: the versioned rules that judge accounts, and who put them in force."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Request, Response
from pydantic import BaseModel, Field

from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.storage.profile import profiles, rollouts
from services.health.usecases.profile.activation import (
    DefaultNeeded,
    ProfileNotActive,
    ProfilesOverlap,
    ProfileUnknown,
    VersionTaken,
    activate_version,
    add_version,
    check_document,
    retire_version,
)
from services.health.usecases.profile.documents import summary_of
from services.health.usecases.profile.profiles import PROFILES
from shared.auth.principal import Principal
from shared.db.transaction import Row
from shared.web.deps import Tx, authorize
from shared.web.openapi import responses
from shared.web.pagination import InvalidCursor, Page, PageQuery
from shared.web.routing import VerbatimRoute, api_router

router = api_router("/api/v1/profiles", tags=["profiles"], route_class=VerbatimRoute)
Reader = Annotated[Principal, authorize("health:read")]
Writer = Annotated[Principal, authorize("health:write")]
Name = Annotated[str, Path(max_length=60, examples=["default"])]
Version = Annotated[int, Path(ge=1, le=1_000_000_000)]
_EXAMPLE = """\
name: enterprise
version: 2
applies_to: {segments: [enterprise]}
dimensions:
  usage:
    weight: 1
    inputs:
      days_since_activity: {curve: [[1, 1.0], [14, 0.1]]}
"""
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The profile as YAML or JSON text; docs/profiles.md lists every key.",
        "content": {
            "application/yaml": {"schema": {"type": "string"}, "example": _EXAMPLE},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


class ProfileNameView(BaseModel):
    """A profile by name: which version judges, and which is the newest."""

    name: str
    active_version: int | None = Field(description="Null while none judges.")
    newest_version: int = Field(description="Above the active one: it waits to be activated.")
    versions: int
    activated_at: datetime | None
    activated_by: str | None


class VersionView(BaseModel):
    """A version of a profile. Its document never changes."""

    name: str
    version: int
    is_active: bool
    checksum: str = Field(description="Of what the document says, comments left out.")
    created_at: datetime
    created_by: str = Field(description="Name of the API key, or `tenure` for what is shipped.")
    activated_at: datetime | None
    activated_by: str | None
    retired_at: datetime | None
    has_backtest: bool


class VersionDetail(VersionView):
    """A version with its document as it was written, and what was read from it."""

    source: str = Field(description="The document as it was sent, comments and all.")
    document: Mapping[str, Any]
    summary: Mapping[str, Any] = Field(description="What was read from it, defaults filled in.")
    backtest: Mapping[str, Any] | None


class RolloutView(BaseModel):
    """How far the newest change has reached the accounts."""

    version: int
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = Field(description="Null while accounts still wait.")
    marked: int = Field(description="Accounts that were handed to the scorer so far.")


class ProfileView(Page[VersionView]):
    """The versions of a profile, newest first, and how far the newest change has come."""

    rollout: RolloutView | None


class CheckedView(BaseModel):
    """A profile that can be stored as it is."""

    name: str
    version: int
    checksum: str
    summary: Mapping[str, Any]
    warnings: list[str] = Field(description="What is odd and allowed, with its path.")


class ActivationView(VersionView):
    """A version that was put in force or out of it, with what its back-test says."""

    backtest: Mapping[str, Any] | None
    backtest_note: str


@router.get("", responses=responses(InvalidCursor))
async def list_profiles(_who: Reader, tx: Tx, paging: PageQuery) -> Page[ProfileNameView]:
    """List profiles by name, with the version that judges."""
    await PROFILES.current(tx)
    after = paging.after(name=str)
    rows = await profiles.names(tx, after=after["name"] if after else None, limit=paging.fetch)
    return paging.page(
        rows, item=ProfileNameView.model_validate, key=lambda row: {"name": row["name"]}
    )


@router.post("/validate", responses=responses(ProfileInvalid, VersionTaken), openapi_extra=_BODY)
async def validate_profile(request: Request, _who: Reader, tx: Tx) -> CheckedView:
    """Check a profile as if it were stored; nothing is."""
    await PROFILES.current(tx)
    document, warnings = await check_document(tx, await _text(request))
    return _checked(document.profile, document.checksum, warnings)


@router.post(
    "",
    status_code=201,
    responses=responses(ProfileInvalid, VersionTaken),
    openapi_extra=_BODY,
)
async def create_version(request: Request, response: Response, who: Writer, tx: Tx) -> CheckedView:
    """Store a version of a profile. It judges nobody before it is activated."""
    document, warnings = await add_version(tx, await _text(request), who.name)
    profile = document.profile
    response.headers["Location"] = f"{router.prefix}/{profile.name}/versions/{profile.version}"
    return _checked(profile, document.checksum, warnings)


@router.get("/{name}", responses=responses(ProfileUnknown, InvalidCursor))
async def get_profile(name: Name, _who: Reader, tx: Tx, paging: PageQuery) -> ProfileView:
    """List the versions of a profile, newest first."""
    await PROFILES.current(tx)
    after = paging.after(version=int)
    before = after["version"] if after else None
    rows = await profiles.versions(tx, name, before=before, limit=paging.fetch)
    if not rows and after is None:
        raise ProfileUnknown(f"there is no profile {name!r}; GET {router.prefix} lists all")
    rollout = await rollouts.newest(tx, name)
    page = paging.page(rows, item=_version, key=lambda row: {"version": row["version"]})
    return ProfileView(
        **page.model_dump(), rollout=RolloutView.model_validate(dict(rollout)) if rollout else None
    )


@router.get("/{name}/versions/{version}", responses=responses(ProfileUnknown, ProfileInvalid))
async def get_version(name: Name, version: Version, _who: Reader, tx: Tx) -> VersionDetail:
    """Show a version: its document as it was written, and what it means."""
    await PROFILES.current(tx)
    row = await profiles.get(tx, name, version)
    if row is None:
        raise ProfileUnknown(f"there is no profile {name}@{version}; GET {router.prefix} lists all")
    return VersionDetail(
        **_version(row).model_dump(),
        source=row["source"],
        document=row["document"],
        summary=summary_of(parse_profile(row["document"])),
        backtest=row["backtest"],
    )


@router.post(
    "/{name}/versions/{version}/activate",
    responses=responses(ProfileUnknown, ProfilesOverlap, ProfileInvalid),
)
async def activate(name: Name, version: Version, who: Writer, tx: Tx) -> ActivationView:
    """Let a version judge its accounts from now on; its back-test is shown with the answer."""
    return _activation(await activate_version(tx, name, version, who.name))


@router.post(
    "/{name}/versions/{version}/retire",
    responses=responses(ProfileUnknown, ProfileNotActive, DefaultNeeded),
)
async def retire(name: Name, version: Version, who: Writer, tx: Tx) -> ActivationView:
    """Let the active version judge nobody any more; its accounts fall to the next best profile."""
    return _activation(await retire_version(tx, name, version, who.name))


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise ProfileInvalid("the document is not UTF-8 text; save it as UTF-8", path="") from None


def _checked(profile: Profile, checksum: str, warnings: list[str]) -> CheckedView:
    return CheckedView(
        name=profile.name,
        version=profile.version,
        checksum=checksum,
        summary=summary_of(profile),
        warnings=warnings,
    )


def _version(row: Row) -> VersionView:
    has_backtest = row["backtest"] is not None
    return VersionView.model_validate({**row, "has_backtest": has_backtest})


def _activation(row: Row) -> ActivationView:
    label = f"{row['name']}@{row['version']}"
    note = (
        "the newest back-test of this version"
        if row["backtest"]
        else (
            f"no back-test was run for {label}: how well it finds customers who leave is not known"
        )
    )
    return ActivationView(
        **_version(row).model_dump(), backtest=row["backtest"], backtest_note=note
    )
