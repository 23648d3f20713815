"""Says facts to expansion as the bus would, one transaction each."""

from services.expansion.listeners import LISTENERS
from shared.contracts.event import Fact
from shared.db.transaction import Database


async def hear(database: Database, *facts: Fact) -> list[str]:
    """Return what was said, by short name."""
    said: list[str] = []
    for fact in facts:
        async with database.transaction() as tx:
            for listener in LISTENERS:
                if listener.fact is type(fact):
                    await listener.handle(tx, fact)
            said += [event.type.split(".")[3] for event in tx.emitted]
    return said
