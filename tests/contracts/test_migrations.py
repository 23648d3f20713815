"""Migrations bring an empty database to head, and head is all there is."""

from shared.db.migrate import migration_engine, states
from tenure.catalog import SCHEMAS
from tests import stacks


async def test_every_schema_is_at_head_after_migrating(stack: stacks.Stack, template: str) -> None:
    engine = migration_engine(stack.url(template))
    found = await states(engine, SCHEMAS)
    await engine.dispose()
    assert [state.schema for state in found if not state.is_at_head] == []
    assert all(state.head for state in found)
