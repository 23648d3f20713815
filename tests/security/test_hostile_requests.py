"""Whatever is sent to whichever route, the answer says what is wrong, and the service lives on.

tests/e2e/test_wrong_input.py names the answer to each mistake; this walks every route with all of
them, over a real connection, and promises less of each: no 5xx, no success for a body that the
route's own schema refuses, and problem details of bounded size.
"""

import json
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest

from shared.kernel.clock import FixedClock
from tenure.catalog import SERVICES
from tests.conftest import OpenDatabase
from tests.security import hostile
from tests.security.hostile import Operation
from tests.security.hostile_targets import Target, running
from tests.security.wire import Answer, Request
from tests.stacks import Stack

SEED = 20260302
PER_PLACE = 12
"""Values tried in each place of a body; which ones, the seed says."""
PER_PARAMETER = 10
PER_ROUTE = 10
LARGEST_PROBLEM = 12_000
LIMITS = (b"-1", b"0", b"201", b"1e9", b"99999999999999999999", b"NaN", b"%00", b"")
NO_HTTP = (
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Evil: \0\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nIf-Match: " + b"x" * hostile.LONG + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"\0\xff\r\n\r\n",
)


@pytest.fixture(params=SERVICES)
async def target(
    request: pytest.FixtureRequest,
    stack: Stack,
    database_url: str,
    clock: FixedClock,
    open_database: OpenDatabase,
) -> AsyncIterator[Target]:
    """Each service in turn; it must be ready for more once all was sent."""
    settings = {"database_url": database_url, "kafka_bootstrap": stack.bootstrap}
    database = await open_database(request.param)
    async with running(request.param, database, clock, **settings) as started:
        yield started
        ready = await started.wire.ask(Request(b"GET", b"/readyz", {}))
        assert (ready.status, started.service) == (200, request.param)


@pytest.fixture
def random() -> Random:
    return Random(SEED)  # noqa: S311 - it must be the same in every run


async def check(target: Target, request: Request, *, is_refused: bool = False) -> Answer:
    """Send a request and check what every answer must be."""
    answer = await target.wire.ask(request)
    sent = (request.method, request.target[:200], request.body[:300], answer.body[:500])
    assert answer.status < 500, sent
    assert not (is_refused and answer.status < 300), sent
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json", sent
        if request.method != b"HEAD":
            check_problem(answer)
    return answer


def check_problem(answer: Answer) -> None:
    assert len(answer.body) < LARGEST_PROBLEM, answer.body[:500]
    found = json.loads(answer.body)
    assert found["status"] == answer.status
    assert found["detail"].strip()
    assert all(each["message"].strip() for each in found.get("errors") or ())


def finite(target: Target) -> Iterator[Operation]:
    """Yield the operations whose answers end."""
    return (each for each in target.operations if not each.path.endswith("/stream"))


async def test_bodies_that_are_wrong_for_every_route(target: Target) -> None:
    for operation in finite(target):
        if operation.method in {"POST", "PUT", "PATCH"}:
            for raw in hostile.BODIES.values():
                is_refused = bool(raw) and operation.refuses(raw)
                await check(target, target.request(operation, body=raw), is_refused=is_refused)


async def test_bodies_with_something_wrong_in_each_place(target: Target, random: Random) -> None:
    for operation in finite(target):
        if operation.body_schema is None:
            continue
        for raw in operation.bodies(random, PER_PLACE):
            request = target.request(operation, body=raw)
            await check(target, request, is_refused=operation.refuses(raw))


async def test_paths(target: Target, random: Random) -> None:
    for operation in finite(target):
        for name in operation.parameters("path"):
            for text in random.sample(hostile.TEXTS, PER_PARAMETER):
                where = operation.target(target.known, **{name: text})
                await check(target, target.request(operation, target=where))


async def test_queries(target: Target, random: Random) -> None:
    for operation in finite(target):
        where = operation.target(target.known) + b"?recipient=ana@vendor.example&"
        for name in operation.parameters("query"):
            texts = random.sample(hostile.TEXTS, PER_PARAMETER)
            for text in [*texts, *(hostile.CURSORS if name == "cursor" else ())]:
                asked = where + name.encode() + b"=" + text
                await check(target, target.request(operation, target=asked))
        if "limit" in operation.parameters("query"):
            for text in LIMITS:
                asked = where + b"limit=" + text
                assert (await check(target, target.request(operation, target=asked))).status == 422


async def test_headers(target: Target, random: Random) -> None:
    for operation in finite(target):
        for name, value in random.sample(hostile.HEADERS, PER_ROUTE):
            await check(target, target.request(operation, headers={name: value}))


async def test_methods(target: Target) -> None:
    for operation in finite(target):
        allowed = {each.method for each in target.operations if each.path == operation.path}
        for method in hostile.METHODS:
            if method.decode() not in allowed:
                answer = await check(target, target.request(operation, method=method))
                assert answer.status in {404, 405}


async def test_what_is_no_http_costs_its_sender_the_connection_and_nobody_else(
    target: Target,
) -> None:
    for raw in NO_HTTP:
        answer = await target.wire.send(raw)
        assert 400 <= answer.status < 500, raw[:100]
        await target.wire.close()
