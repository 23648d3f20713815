"""The parts of the no-Docker stack, each run as a foreground child of our own supervisor.

`ManagedProcess` starts and watches one child. `EmbeddedPostgres`, `EmbeddedBroker` and
`ApacheKafka` are made of it. Every call is synchronous; from asyncio use `asyncio.to_thread`,
which is safe because children are always forked by one long-lived thread (see `processes`).
"""
