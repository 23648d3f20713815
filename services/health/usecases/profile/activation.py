"""The life of a profile version: checked, stored, put in force, taken out of force."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from services.health.domain.profile.book import ProfileBook
from services.health.domain.profile.metrics import Metric
from services.health.domain.profile.parsing import parse_profile
from services.health.domain.profile.profile import Profile
from services.health.domain.profile.reading import ProfileInvalid
from services.health.domain.profile.selection import DEFAULT, segments_of
from services.health.storage.account import accounts
from services.health.storage.metric import backfills, metrics, sums
from services.health.storage.profile import profiles, rollouts
from services.health.usecases.files.files import load_catalogue
from services.health.usecases.profile.documents import Document, read_document
from services.health.usecases.profile.profiles import PROFILES
from shared.contracts.health import ProfileActivated, ProfileRetired
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.figures import listed

_AT_ONCE = 200
_OBSERVED = frozenset({"usage_ratio", "active_users_ratio", "days_since_activity"})


class ProfileUnknown(NotFound):
    """There is no such profile, or no such version of it."""


class VersionTaken(Conflict):
    """A version is stored once and never changed; raise the number."""


class ProfilesOverlap(Conflict):
    """Another active profile judges the same accounts; narrow one of them or retire it."""


class ProfileNotActive(Conflict):
    """Only the active version can be retired."""


class DefaultNeeded(Conflict):
    """The default profile judges whoever no other one does; activate another version instead."""


async def check_document(tx: Transaction, text: str) -> tuple[Document, list[str]]:
    """Read a profile as `add_version` would; return it with what is odd but allowed.

    Raises `ProfileInvalid` and `VersionTaken`.
    """
    bases = {row["name"]: row["document"] for row in await profiles.active(tx)}
    document = read_document(text, bases)
    newest = await profiles.newest(tx, document.profile.name)
    if newest is not None and document.profile.version <= newest["version"]:
        name, version = document.profile.name, newest["version"]
        told = f"version: {name} has version {version} already; write {version + 1} or more"
        written = ProfileInvalid(told).placed(document.places.find)
        raise VersionTaken(written.detail, **written.context, newest_version=version)
    warnings = await _warnings(tx, document.profile)
    return document, [_placed(document, path, words) for path, words in warnings.items()]


async def add_version(tx: Transaction, text: str, by: str) -> tuple[Document, list[str]]:
    """Store a profile version; it judges nobody before it is activated."""
    await profiles.lock(tx)
    await PROFILES.current(tx)
    document, warnings = await check_document(tx, text)
    await profiles.add(tx, document.by(by))
    return document, warnings


async def activate_version(tx: Transaction, name: str, version: int, by: str) -> Row:
    """Put a version in force: every replica judges by it from its next transaction on.

    Accounts are scored again, and metrics the version adds get their history, both bit by bit.
    Activating the active one changes nothing. Raises `ProfileUnknown` and `ProfilesOverlap`.
    """
    await profiles.lock(tx)
    book = await PROFILES.current(tx)
    stored = await _stored(tx, name, version)
    if stored["is_active"]:
        return stored
    profile, before = parse_profile(stored["document"]), book.get(name)
    _check_rivals(profile, book)
    await profiles.activate(tx, name, version, by)
    await _note_change(tx)
    await rollouts.start(tx, name, version, _concerned(profile, before))
    await backfills.start(tx, name, version, _new_metrics(profile, before or book.default))
    tx.emit(
        ProfileActivated(
            account_id=f"profile:{name}",
            profile=profile.label,
            previous=before.label if before else None,
            activated_by=by,
        )
    )
    return await _stored(tx, name, version)


async def retire_version(tx: Transaction, name: str, version: int, by: str) -> Row:
    """Take the active version out of force: its accounts fall to the next best profile.

    Raises `ProfileUnknown`, `ProfileNotActive` and `DefaultNeeded`.
    """
    await profiles.lock(tx)
    await PROFILES.current(tx)
    stored = await _stored(tx, name, version)
    if name == DEFAULT:
        raise DefaultNeeded
    if not stored["is_active"]:
        raise ProfileNotActive(f"{name}@{version} is not active; nothing is to be retired")
    await profiles.retire(tx, name)
    await _note_change(tx)
    await rollouts.start(tx, name, version, _concerned(parse_profile(stored["document"]), None))
    await backfills.start(tx, name, version, ())
    tx.emit(
        ProfileRetired(account_id=f"profile:{name}", profile=f"{name}@{version}", retired_by=by)
    )
    return await _stored(tx, name, version)


async def roll_out(tx: Transaction) -> bool:
    """Have the next accounts scored by what changed; return whether there is more to do.

    Only as many as the scorer has room for: the accounts something happens to come first.
    """
    rollout = await rollouts.claim(tx)
    if rollout is None:
        return False
    room = _AT_ONCE - await rollouts.waiting(tx, _AT_ONCE)
    if room <= 0:
        return False
    marked = await rollouts.mark(tx, rollout, room)
    await rollouts.advance(tx, rollout, marked)
    return bool(marked)


async def _note_change(tx: Transaction) -> None:
    await profiles.note_revision(tx)
    await sums.need(tx, (await PROFILES.current(tx)).sums())


async def _stored(tx: Transaction, name: str, version: int) -> Row:
    row = await profiles.get(tx, name, version)
    if row is None:
        raise ProfileUnknown(
            f"there is no profile {name}@{version}; GET /api/v1/profiles lists all"
        )
    return row


def _check_rivals(profile: Profile, book: ProfileBook) -> None:
    for other in book.profiles:
        if other.name != profile.name and profile.applies_to.rivals(other.applies_to):
            raise ProfilesOverlap(
                f"applies_to: {other.label} is active for some of the same accounts; "
                f"narrow applies_to, or retire {other.label} first",
                path="applies_to",
                rival=other.label,
            )


def _concerned(profile: Profile, before: Profile | None) -> list[str] | None:
    return segments_of(*(one.applies_to for one in (profile, before) if one is not None))


def _new_metrics(profile: Profile, before: Profile) -> Sequence[str]:
    def was_there(metric: Metric) -> bool:
        return any(m.name == metric.name and m.is_same_number(metric) for m in before.metrics)

    return [metric.name for metric in profile.metrics if not was_there(metric)]


def _placed(document: Document, path: str, words: str) -> str:
    place = document.places.find(path)
    return f"{place}: {path}: {words}" if place else f"{path}: {words}"


async def _warnings(tx: Transaction, profile: Profile) -> Mapping[str, str]:
    """Return what is odd but allowed, by path."""
    events = _named_events(profile)
    seen = await metrics.seen_events(tx, sorted(set(events.values())))
    segments = profile.applies_to.segments
    return {
        **{
            path: f"the event {event!r} was never seen; check its spelling"
            for path, event in events.items()
            if event not in seen
        },
        **_silent(profile),
        **_uncatalogued(profile),
        **_valueless(profile),
        **_deserted(segments - await accounts.segments_in_use(tx, sorted(segments))),
    }


def _deserted(segments: Collection[str]) -> Mapping[str, str]:
    named = listed([repr(segment) for segment in sorted(segments)]) if segments else ""
    words = f"no account is in the segment {named} yet; check its spelling"
    return {"applies_to.segments": words} if segments else {}


def _silent(profile: Profile) -> Mapping[str, str]:
    given = _OBSERVED | {metric.name for metric in profile.metrics}
    return {
        f"dimensions.{dimension.name}.inputs.{one.name}": (
            "nothing gives this number; define a metric of this name, or name signals"
        )
        for dimension in profile.dimensions
        for one in dimension.inputs
        if not one.signals and one.name not in given
    }


def _uncatalogued(profile: Profile) -> Mapping[str, str]:
    catalogue = load_catalogue()
    words = "the signal {!r} is in no catalogue; check its spelling, or describe it in one"
    return {
        path: words.format(signal)
        for path, signal in _named_signals(profile)
        if catalogue.find(signal) is None
    }


def _valueless(profile: Profile) -> Mapping[str, str]:
    """Return the inputs that wait for the value of a signal that has none."""
    catalogue = load_catalogue()
    return {
        f"dimensions.{dimension.name}.inputs.{one.name}.signals.{signal}": (
            f"{signal} carries no value, so it scores nothing; write its points, such as 0.1"
        )
        for dimension in profile.dimensions
        for one in dimension.inputs
        if one.count_window is None  # counting needs no value
        for signal, points in one.signals.items()
        if points is None and (found := catalogue.find(signal)) and found.value is None
    }


def _named_signals(profile: Profile) -> Iterator[tuple[str, str]]:
    for dimension in profile.dimensions:
        for one in dimension.inputs:
            for signal in one.signals:
                yield f"dimensions.{dimension.name}.inputs.{one.name}.signals.{signal}", signal
    for rule in profile.signal_rules:
        path = f"signal_rules.{rule.reason}"
        yield (path if rule.signal == rule.reason else f"{path}.signal"), rule.signal
        for key, names in (("also", rule.also), ("closed_by", rule.closed_by)):
            yield from ((f"{path}.{key}[{place}]", name) for place, name in enumerate(names))


def _named_events(profile: Profile) -> Mapping[str, str]:
    of_metrics = {
        f"metrics.{metric.name}.events[{place}]": event
        for metric in profile.metrics
        for place, event in enumerate(metric.events)
    }
    return {**of_metrics, **{f"milestones.{m.name}.event": m.event for m in profile.milestones}}
