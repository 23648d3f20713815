"""The tables of notifications, as it began."""

from alembic import op

from shared.db.plumbing import PLUMBING_V1, create

revision = "notifications_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE accounts (
    account_id  text COLLATE "C" PRIMARY KEY,
    name        text,
    segment     text,
    time_zone   text
);

CREATE TABLE owners (
    account_id   text COLLATE "C" NOT NULL,
    role         text NOT NULL,
    email        text NOT NULL,
    name         text NOT NULL,
    assigned_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, role)
);

CREATE TABLE situations (
    account_id  text COLLATE "C" NOT NULL,
    subject     text NOT NULL,
    reason      text NOT NULL,
    severity    text NOT NULL,
    episode     int NOT NULL,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    PRIMARY KEY (account_id, subject, reason)
);

CREATE TABLE messages (
    account_id   text COLLATE "C" NOT NULL,
    id           uuid NOT NULL,
    key          text NOT NULL,
    kind         text NOT NULL,
    reason       text NOT NULL,
    severity     text NOT NULL,
    title        text NOT NULL,
    explanation  text NOT NULL,
    next_step    text NOT NULL,
    subject      text NOT NULL,
    rules        text NOT NULL,
    happened_at  timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, key)
);
CREATE INDEX messages_reason ON messages (account_id, reason, created_at);

CREATE TABLE deliveries (
    account_id       text COLLATE "C" NOT NULL,
    id               uuid NOT NULL UNIQUE,
    message_id       uuid NOT NULL,
    channel          text NOT NULL,
    recipient        text NOT NULL,
    recipient_name   text NOT NULL,
    status           text NOT NULL,
    created_at       timestamptz NOT NULL,
    next_attempt_at  timestamptz,
    attempts         int NOT NULL DEFAULT 0,
    lease_until      timestamptz,
    last_error       text,
    response_code    int,
    delivered_at     timestamptz,
    PRIMARY KEY (account_id, id),
    UNIQUE (message_id, channel, recipient),
    FOREIGN KEY (account_id, message_id) REFERENCES messages (account_id, id)
);
CREATE INDEX deliveries_due ON deliveries (channel, (GREATEST(next_attempt_at, lease_until)))
    WHERE status IN ('pending', 'sending');
CREATE INDEX deliveries_waiting ON deliveries (account_id) WHERE status IN ('pending', 'sending');

CREATE TABLE inbox_items (
    account_id  text COLLATE "C" NOT NULL,
    id          uuid NOT NULL UNIQUE,
    message_id  uuid NOT NULL,
    recipient   text COLLATE "C" NOT NULL,
    seq         bigint GENERATED ALWAYS AS IDENTITY,
    created_at  timestamptz NOT NULL,
    read_at     timestamptz,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, message_id) REFERENCES messages (account_id, id)
);
CREATE UNIQUE INDEX inbox_items_newest ON inbox_items (recipient, seq DESC);
CREATE INDEX inbox_items_unread ON inbox_items (recipient, seq DESC) WHERE read_at IS NULL;

CREATE TABLE webhook_endpoints (
    id                uuid PRIMARY KEY,
    url               text NOT NULL,
    description       text NOT NULL,
    events            text[] NOT NULL,
    disabled_because  text,
    version           int NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);

-- Secrets live apart from everything that is listed or shown, and are read by the sender only.
-- Signing needs the secret itself, so a hash would not do: each is sealed with AES-256-GCM under
-- TENURE_WEBHOOK_SECRET_KEY, as nonce (12 bytes) || ciphertext, bound to endpoint_id and id.
CREATE TABLE webhook_keys (
    endpoint_id  uuid NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    id           uuid NOT NULL,
    secret       bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    PRIMARY KEY (endpoint_id, id)
);

CREATE TABLE subscriptions (
    id            uuid PRIMARY KEY,
    role          text,
    email         text,
    name          text,
    endpoint_id   uuid REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    channels      text[] NOT NULL,
    events        text[] NOT NULL,
    segment       text,
    min_severity  text,
    account_ids   text[] NOT NULL,
    created_at    timestamptz NOT NULL,
    CHECK (num_nonnulls(role, email, endpoint_id) = 1)
);
"""


def upgrade() -> None:
    create(op.execute, PLUMBING_V1)
    create(op.execute, TABLES)
