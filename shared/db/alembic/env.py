"""Alembic's entry: runs one schema's revisions on the connection that `migrate` hands over."""

from alembic import context

schema = context.config.attributes["schema"]
context.configure(
    connection=context.config.attributes["connection"],
    version_table="migrations",
    version_table_schema=schema,
)
with context.begin_transaction():
    context.run_migrations()
