"""Fixtures: the stack, a database and an app of one service, each test with its own database.

Tests that need none of them load this file too: what takes long to import is imported inside.
"""

import asyncio
import gc
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio

# As the command does, and before numpy is imported: threads for arrays this small only wait for
# each other, and on busy cores a fit of 0.4 s then takes 10 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.kernel.clock import FixedClock

# As the services do: imports and tests make many objects, hardly any in a cycle.
gc.set_threshold(50_000, 20, 50)

if TYPE_CHECKING:
    import httpx

    from shared.db.transaction import Database
    from tests.product import Product
    from tests.stacks import Stack

OpenDatabase = Callable[[str], Awaitable["Database"]]
OpenClient = Callable[..., Awaitable["httpx.AsyncClient"]]

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TEMPLATE = "tenure_test_template"


def pytest_collection_finish() -> None:
    """Keep the collector of cycles away from what stays."""
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave hypothesis out where no test has used it.

    Its plugin imports all of it in the end, to find that there is nothing to add to the summary.
    """
    plugins = session.config.pluginmanager
    if "hypothesis" not in sys.modules and plugins.has_plugin("hypothesispytest"):
        plugins.unregister(name="hypothesispytest")


@pytest.fixture(scope="session")
def stack() -> Iterator["Stack"]:
    from shared.bus.topics import apply_topics, read_topics
    from tests import stacks

    kind = os.environ.get("TENURE_TEST_STACK", "embedded")
    # Not pytest's own folder: as root, Postgres runs as a user who could not enter it.
    with TemporaryDirectory(prefix="tenure-", dir=_fast_folder()) as folder:
        Path(folder).chmod(0o755)
        with stacks.start(kind, Path(folder)) as started:
            asyncio.run(apply_topics(started.bootstrap, read_topics()))
            yield started


@pytest.fixture(scope="session")
def product() -> Iterator["Product"]:
    """The whole product as processes, once a session; tests keep to accounts of their own."""
    from tests.product import running_product

    with running_product(os.environ.get("TENURE_TEST_STACK", "embedded")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(stack: "Stack") -> str:
    """A migrated database that each test's own is copied from."""
    from shared.db.migrate import migrate, migration_engine
    from tenure.catalog import SCHEMAS

    await _administer(stack, f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE}")
    engine = migration_engine(stack.url(TEMPLATE))
    await migrate(engine, SCHEMAS, role_password=None)
    await engine.dispose()
    return TEMPLATE


@pytest_asyncio.fixture
async def database_url(stack: "Stack", template: str) -> AsyncIterator[str]:
    """The URL of a migrated database that only this test uses."""
    name = f"test_{uuid4().hex}"
    await _administer(stack, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield stack.url(name)
    await _administer(stack, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest_asyncio.fixture
async def open_database(database_url: str, clock: FixedClock) -> AsyncIterator[OpenDatabase]:
    """Opens the `Database` of a service, on the test's clock."""
    from shared.db.engine import create_engine
    from shared.db.transaction import Database

    async with AsyncExitStack() as stack:

        async def open_one(service: str) -> "Database":
            engine = create_engine(database_url, schema=service, pool_size=5)
            database = Database(engine, service=service, clock=clock)
            stack.push_async_callback(database.close)
            return database

        yield open_one


@pytest_asyncio.fixture
async def open_client(
    database_url: str, stack: "Stack", clock: FixedClock, open_database: OpenDatabase
) -> AsyncIterator[OpenClient]:
    """Opens an HTTP client on the real app of a service, which serves HTTP only.

    ``scopes`` are those of the key it sends; None sends no key. Settings may be given by name.
    """
    import httpx

    async with AsyncExitStack() as exits:

        async def open_one(
            service: str, scopes: list[str] | None = None, **settings: Any
        ) -> "httpx.AsyncClient":
            given = {"database_url": database_url, "kafka_bootstrap": stack.bootstrap, **settings}
            app = make_app(service, clock, workers=False, **given)
            await exits.enter_async_context(app.router.lifespan_context(app))
            headers = {}
            if scopes is not None:
                database = await open_database(service)
                headers["Authorization"] = f"Bearer {await make_key(database, scopes)}"
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(
                transport=transport, base_url="http://tenure.test", headers=headers
            )
            return await exits.enter_async_context(client)

        yield open_one


def _fast_folder() -> str | None:
    """Return a folder in memory: a database of its own then costs a test 0.1 s, not 0.6 s."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it has a name nobody can guess
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 1024**3
    return str(memory) if has_room and os.access(memory, os.W_OK) else None


async def make_key(database: "Database", scopes: list[str], source: str = "test-backend") -> str:
    from shared.auth import keys

    async with database.transaction() as tx:
        return (await keys.create(tx, name="test", source=source, scopes=scopes)).secret


def make_app(service: str, clock: FixedClock, **settings: Any) -> Any:
    from shared.web.service import build_service

    main = import_module(f"services.{service}.main")
    return build_service(main.SERVICE, main.Settings(**settings), clock=clock)


async def _administer(stack: "Stack", *statements: str) -> None:
    from sqlalchemy import text

    from shared.db.migrate import migration_engine

    engine = migration_engine(stack.admin_url)
    async with engine.connect() as raw:
        connection = await raw.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()
