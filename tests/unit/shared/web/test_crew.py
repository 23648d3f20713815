"""Work in the background, on one event loop or two."""

import asyncio
import signal
import threading

import pytest

from shared.web import crew
from shared.web.crew import BackLoop, Crew


class _Ended:
    """Stands where the process would be told to end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.signals: list[int] = []
        self.seen = threading.Event()
        monkeypatch.setattr(crew.os, "kill", self._note)

    def _note(self, _pid: int, sign: int) -> None:
        self.signals.append(sign)
        self.seen.set()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> _Ended:
    return _Ended(monkeypatch)


async def test_a_crew_works_until_it_is_drained(ended: _Ended) -> None:
    done: list[str] = []

    async def work(stop: asyncio.Event) -> None:
        await stop.wait()
        done.append("put away")

    workers = Crew("front", ("work", work))
    workers.start()
    await workers.drain()
    assert done == ["put away"]
    assert ended.signals == []


async def test_a_worker_that_fails_ends_the_process(ended: _Ended) -> None:
    async def fail(_stop: asyncio.Event) -> None:
        raise RuntimeError

    workers = Crew("front", ("fail", fail))
    workers.start()
    await asyncio.to_thread(ended.seen.wait, 5)
    await workers.drain()
    assert ended.signals == [signal.SIGTERM]


async def test_a_worker_that_only_ends_early_ends_the_process_too(ended: _Ended) -> None:
    async def leave(_stop: asyncio.Event) -> None:
        return

    workers = Crew("front", ("leave", leave))
    workers.start()
    await asyncio.to_thread(ended.seen.wait, 5)
    await workers.drain()
    assert ended.signals == [signal.SIGTERM]


async def test_the_back_loop_lives_in_a_thread_of_its_own(ended: _Ended) -> None:
    lived: list[int] = []

    async def life(stop: asyncio.Event) -> None:
        lived.append(threading.get_ident())
        await stop.wait()
        lived.append(threading.get_ident())

    back = BackLoop(life)
    back.start()
    await back.stop()
    assert len(lived) == 2
    assert threading.get_ident() not in lived
    assert ended.signals == []


async def test_a_back_loop_that_dies_ends_the_process(ended: _Ended) -> None:
    async def die(_stop: asyncio.Event) -> None:
        raise RuntimeError

    back = BackLoop(die)
    back.start()
    await back.stop()
    assert ended.signals == [signal.SIGTERM]


async def test_a_back_loop_that_was_never_started_stops_at_once() -> None:
    async def life(_stop: asyncio.Event) -> None:
        raise AssertionError

    await BackLoop(life).stop()
