"""One short transaction in a service's schema, as administrator, for a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.db.engine import create_engine
from shared.db.errors import is_unavailable, refusal_of
from shared.db.transaction import Database, Transaction
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Refusal
from tenure.cli.output import explain, fail

T = TypeVar("T")


def run_in(
    url: str, schema: str, work: Callable[[Transaction], Awaitable[T]], *, code: int = 1
) -> T:
    """Run ``work`` in a transaction of a schema; exit with ``code`` and words if it goes wrong."""
    try:
        return asyncio.run(_inside(url, schema, work))
    except Refusal as refusal:
        fail(refusal, code)
    except Exception as error:
        fail_for(error, code)
        raise


def fail_for(error: Exception, code: int = 1) -> None:
    """Exit with words for an outage or a refusal of the database; return for the rest."""
    refusal = refusal_of(error)
    if refusal is not None:
        hint = "; run `tenure migrate`" if "does not exist" in refusal else ""
        fail(f"the database refuses: {refusal}{hint}", code)
    if is_unavailable(error):
        fail(f"the database does not answer: {explain(error)}", code)


async def _inside(url: str, schema: str, work: Callable[[Transaction], Awaitable[T]]) -> T:
    database = Database(
        create_engine(url, schema=schema, pool_size=1), service=schema, clock=SystemClock()
    )
    try:
        async with database.transaction() as tx:
            return await work(tx)
    finally:
        await database.close()
