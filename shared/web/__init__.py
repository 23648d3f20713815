"""The HTTP door every service has: app, transaction, problems, idempotency, pages, probes."""
