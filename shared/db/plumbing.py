"""The tables every service has: outbox, inbox, positions, dead letters, timers, idempotency."""

from collections.abc import Callable

PLUMBING_V1 = """
CREATE TABLE outbox (
    seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             uuid NOT NULL UNIQUE,
    aggregatetype  text NOT NULL,
    aggregateid    text NOT NULL,
    type           text NOT NULL,
    payload        jsonb NOT NULL,
    traceparent    text,
    occurredat     timestamptz NOT NULL,
    publishedat    timestamptz,
    attempts       int NOT NULL DEFAULT 0,
    lasterror      text
);
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE publishedat IS NULL;
CREATE INDEX outbox_published ON outbox (publishedat) WHERE publishedat IS NOT NULL;

CREATE TABLE inbox (
    source       text NOT NULL,
    id           text NOT NULL,
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (id, source)
);
CREATE INDEX inbox_received ON inbox (received_at);

CREATE TABLE positions (
    consumer_group  text NOT NULL,
    topic           text NOT NULL,
    partition       int NOT NULL,
    next_offset     bigint NOT NULL,
    log_id          text NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE dead_letters (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic               text NOT NULL,
    partition           int NOT NULL,
    record_offset       bigint NOT NULL,
    key                 bytea,
    value               bytea,
    headers             jsonb NOT NULL,
    code                text NOT NULL,
    reason              text NOT NULL,
    created_at          timestamptz NOT NULL,
    copied_at           timestamptz,
    retry_requested_at  timestamptz,
    retried_at          timestamptz
);
CREATE INDEX dead_letters_to_copy ON dead_letters (id) WHERE copied_at IS NULL;
CREATE INDEX dead_letters_to_retry ON dead_letters (id)
    WHERE retry_requested_at IS NOT NULL AND retried_at IS NULL;

CREATE TABLE timers (
    key         text PRIMARY KEY,
    kind        text NOT NULL,
    account_id  text NOT NULL,
    due_at      timestamptz NOT NULL,
    payload     jsonb NOT NULL,
    attempts    int NOT NULL DEFAULT 0,
    fired_at    timestamptz
);
CREATE INDEX timers_due ON timers (due_at) WHERE fired_at IS NULL;

CREATE TABLE brokers (
    cluster_id  text PRIMARY KEY,
    seen_at     timestamptz NOT NULL
);

CREATE TABLE idempotency_keys (
    key           text NOT NULL,
    principal     text NOT NULL,
    request_hash  text NOT NULL,
    status        int,
    body          jsonb,
    headers       jsonb,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
"""


def create(execute: Callable[[str], object], tables: str) -> None:
    """Run a script of statements one by one: a prepared statement holds only one."""
    for statement in tables.split(";\n"):
        if statement.strip():
            execute(statement)
