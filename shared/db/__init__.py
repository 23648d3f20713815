"""Postgres: engine, transaction, outbox, inbox, timers, migrations. Rows stay in here."""
