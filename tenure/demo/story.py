"""The story: what happens, in order, and when it is over."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from tenure.demo.books import Auditor
from tenure.demo.cast import Backend, Customer, Part
from tenure.demo.crew import ProductBackend, backends
from tenure.demo.evidence import Evidence, gather
from tenure.demo.history import replay, write_history
from tenure.demo.office import Office
from tenure.demo.script import day_plan
from tenure.demo.stage import ADMIN, DemoFailedError, Stage, databases, demo_keys
from tenure.demo.teller import Teller
from tenure.demo.usage import Calendar

_A_DAY_SECONDS = 1.0
_CAUGHT_UP_WITHIN = 20.0
_SETTLED_WITHIN = 30.0
_STILL_SECONDS = 1.2
_POLL = 0.15
_NIGHT = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Cues:
    """Everything a scene needs."""

    stage: Stage
    office: Office
    auditor: Auditor
    teller: Teller
    crew: Mapping[Backend, ProductBackend]
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Ended:
    """The story's end: what was found, and the secrets of the keys by name."""

    evidence: Evidence
    keys: Mapping[str, str]


def calendar_at(now: datetime) -> Calendar:
    """Return the story's days. Its last day must have begun everywhere, some hours ago."""
    return Calendar((now.astimezone(UTC) - _NIGHT).date())


@asynccontextmanager
async def play(stage: Stage, teller: Teller) -> AsyncIterator[Ended]:
    """Play it all and read everything back; keys and endpoint are good until the block ends.

    Raises `DemoFailedError`.
    """
    async with AsyncExitStack() as exits:
        enter = exits.enter_async_context
        schemas = await enter(databases(stage.admin_url))
        keys = await enter(demo_keys(stage, schemas["auth"]))
        office = await enter(Office(stage.urls, keys[ADMIN]))
        await enter(_webhook(stage, office))
        auditor = Auditor(stage, schemas)
        async with backends(stage, keys) as crew, teller.listening():
            calendar = calendar_at(stage.ready_at)
            cues = Cues(stage, office, auditor, teller, crew, calendar)
            await _open_house(cues)
            await _remember(cues)
            await _live(cues)
            await _settle(auditor)
        yield Ended(await gather(stage, auditor, office), keys)


@asynccontextmanager
async def _webhook(stage: Stage, office: Office) -> AsyncIterator[None]:
    endpoint, secret = await office.add_webhook(stage.hooks.url)
    stage.hooks.trust(secret)
    try:
        yield
    finally:
        await office.remove_webhook(endpoint)


async def _open_house(cues: Cues) -> None:
    cues.teller.say("twenty customers, their owners, champions and contracts, through the APIs")
    today = cues.calendar.today
    await asyncio.gather(
        *(
            cues.office.welcome(each, today, landing=each.part is Part.LANDING)
            for each in cues.stage.cast
        )
    )
    await _until(cues.auditor.known, "the services do not know all accounts and contracts")


async def _remember(cues: Cues) -> None:
    file = cues.stage.folder / "history.csv"
    events = write_history(file, cues.stage.cast, cues.calendar)
    cues.teller.say(f"ten weeks of history, {events:,} events, with tenure replay")
    await replay(cues.stage, file)
    await _counted(cues, events)


async def _live(cues: Cues) -> None:
    cues.teller.say("sixteen days live: three product backends, each with its own SDK")
    expected = await cues.auditor.counted()
    for number, day in enumerate((*cues.calendar.live, cues.calendar.today)):
        began = time.monotonic()
        cues.teller.turn_to(day)
        await _happen(cues, number)
        expected += await _send(cues, day)
        await _counted(cues, expected)
        await asyncio.sleep(max(0.0, _A_DAY_SECONDS - (time.monotonic() - began)))


async def _send(cues: Cues, day: date) -> int:
    plans = {
        backend: day_plan(backend, cues.stage.cast, day, cues.calendar) for backend in cues.crew
    }
    await asyncio.gather(*(cues.crew[backend].send(plan) for backend, plan in plans.items()))
    return sum(plan.unique for plan in plans.values())


async def _happen(cues: Cues, number: int) -> None:
    """Play what happens on a day outside the product."""
    office = cues.office
    shaken = next(each for each in cues.stage.cast if each.part is Part.SHAKEN)
    scenes: Mapping[int, Callable[[Customer], Awaitable[None]]] = {
        4: office.lose_champion,
        6: lambda customer: office.signal(customer, "payment_failed"),
        11: lambda customer: office.name_champion(customer, "Robin Vale"),
        16: lambda customer: _pay(cues, customer),
    }
    if number in scenes:
        await scenes[number](shaken)


async def _pay(cues: Cues, customer: Customer) -> None:
    """Let a customer pay once its failure has held an upsell back: that is to be seen too.

    Days of more than a week ago count as history, which is judged when it has all come: by the
    clock, the upsell is found on one of the last days, and not on the same one in every run.
    """

    async def is_withheld() -> bool:
        return await cues.auditor.withheld(customer.account_id)

    await _until(is_withheld, f"no upsell of {customer.account_id} is withheld")
    await cues.office.signal(customer, "payment_recovered")


async def _counted(cues: Cues, events: int) -> None:
    async def all_are() -> bool:
        return await cues.auditor.counted() >= events

    await _until(all_are, f"not all of {events} events are counted")


async def _settle(auditor: Auditor) -> None:
    """Wait until nothing moves any more; what is wrong then is for the checks to say."""
    deadline = time.monotonic() + _SETTLED_WITHIN
    before, since = await auditor.state(), time.monotonic()
    while time.monotonic() < deadline:
        await asyncio.sleep(_POLL)
        now = await auditor.state()
        if now != before or now[0]:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > _STILL_SECONDS:
            return


async def _until(holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    deadline = time.monotonic() + _CAUGHT_UP_WITHIN
    while not await holds():
        if time.monotonic() > deadline:
            raise DemoFailedError(f"{otherwise} after {_CAUGHT_UP_WITHIN:g} s")
        await asyncio.sleep(_POLL)
