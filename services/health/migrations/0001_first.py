"""The tables of health, as it began."""

from alembic import op

from shared.db.plumbing import PLUMBING_V1, create

revision = "health_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE accounts (
    account_id      text COLLATE "C" PRIMARY KEY,
    segment         text NOT NULL DEFAULT 'smb',
    time_zone       text NOT NULL DEFAULT 'UTC',
    first_seen_at   timestamptz NOT NULL,
    last_active_at  timestamptz,
    first_day       date,
    sealed_through  date,
    dirty_from      date,
    rescore_at      timestamptz,
    caused_at       timestamptz,
    backfilled_at   timestamptz
);
CREATE INDEX accounts_peers ON accounts (segment, time_zone) WHERE first_day IS NOT NULL;
CREATE INDEX accounts_dirty ON accounts (account_id) WHERE dirty_from IS NOT NULL;
CREATE INDEX accounts_unsealed ON accounts (account_id)
    WHERE first_day IS NOT NULL AND sealed_through IS NULL;
CREATE INDEX accounts_rescore ON accounts (rescore_at) WHERE rescore_at IS NOT NULL;

CREATE TABLE backfills (
    is_only  boolean PRIMARY KEY CHECK (is_only),
    at       timestamptz NOT NULL
);

CREATE TABLE memberships (
    account_id  text NOT NULL,
    user_id     text NOT NULL,
    since       timestamptz NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE usage_ids (
    day  date NOT NULL,
    key  uuid NOT NULL,
    PRIMARY KEY (key, day)
) PARTITION BY RANGE (day);

CREATE TABLE usage_daily (
    account_id  text COLLATE "C" NOT NULL,
    day         date NOT NULL,
    name        text COLLATE "C" NOT NULL,
    n           bigint NOT NULL,
    PRIMARY KEY (account_id, day, name)
) WITH (fillfactor = 80);

CREATE TABLE usage_users (
    account_id  text COLLATE "C" NOT NULL,
    day         date NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    n           bigint NOT NULL,
    PRIMARY KEY (account_id, day, user_id)
) WITH (fillfactor = 80);

CREATE TABLE watermarks (
    segment      text NOT NULL,
    time_zone    text NOT NULL,
    partition    int NOT NULL,
    event_time   timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (segment, time_zone, partition)
);

CREATE TABLE milestone_users (
    account_id  text NOT NULL,
    milestone   text NOT NULL,
    user_id     text NOT NULL,
    PRIMARY KEY (account_id, milestone, user_id)
);

CREATE TABLE milestones (
    account_id  text NOT NULL,
    milestone   text NOT NULL,
    reached_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, milestone)
);

CREATE TABLE rejections (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,
    event_id     text,
    code         text NOT NULL,
    message      text NOT NULL,
    raw          text NOT NULL,
    received_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX rejections_once ON rejections (source, event_id) WHERE event_id IS NOT NULL;

CREATE TABLE unattributed (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,
    event_id     text NOT NULL,
    user_id      text,
    event        jsonb NOT NULL,
    received_at  timestamptz NOT NULL,
    UNIQUE (source, event_id)
);
CREATE INDEX unattributed_user ON unattributed (user_id);

CREATE TABLE signals (
    account_id   text COLLATE "C" NOT NULL,
    id           uuid NOT NULL,
    type         text NOT NULL,
    value        double precision,
    observed_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    source       text NOT NULL,
    external_id  text,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX signals_once ON signals (account_id, source, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX signals_recent ON signals (account_id, observed_at DESC);

CREATE TABLE detector_states (
    account_id  text COLLATE "C" NOT NULL,
    metric      text NOT NULL,
    day         date NOT NULL,
    state       jsonb NOT NULL,
    PRIMARY KEY (account_id, metric)
);

CREATE TABLE detector_days (
    account_id  text COLLATE "C" NOT NULL,
    metric      text NOT NULL,
    day         date NOT NULL,
    y           double precision NOT NULL,
    mu          double precision NOT NULL,
    ratio       double precision NOT NULL,
    p_down      double precision NOT NULL,
    peers       double precision NOT NULL,
    alarm       boolean NOT NULL,
    PRIMARY KEY (account_id, metric, day)
);

CREATE TABLE peer_groups (
    segment    text NOT NULL,
    time_zone  text NOT NULL,
    metric     text NOT NULL,
    day        date NOT NULL,
    state      jsonb NOT NULL,
    PRIMARY KEY (segment, time_zone, metric)
);

CREATE TABLE peer_days (
    segment    text NOT NULL,
    time_zone  text NOT NULL,
    metric     text NOT NULL,
    day        date NOT NULL,
    g          double precision NOT NULL,
    shape      jsonb NOT NULL,
    PRIMARY KEY (segment, time_zone, metric, day)
);

CREATE TABLE scores (
    account_id   text COLLATE "C" NOT NULL,
    at           timestamptz NOT NULL,
    score        double precision NOT NULL,
    band         text NOT NULL,
    coverage     double precision NOT NULL,
    profile      text NOT NULL,
    explanation  jsonb NOT NULL,
    is_latest    boolean NOT NULL,
    PRIMARY KEY (account_id, at)
);
CREATE UNIQUE INDEX scores_latest ON scores (account_id) WHERE is_latest;

CREATE TABLE risks (
    account_id      text COLLATE "C" NOT NULL,
    id              uuid NOT NULL,
    reason          text NOT NULL,
    status          text NOT NULL,
    risk            jsonb NOT NULL,
    opened_at       timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX risks_one_open ON risks (account_id, reason) WHERE status = 'open';
CREATE INDEX risks_by_time ON risks (opened_at, id);
"""


def upgrade() -> None:
    create(op.execute, PLUMBING_V1)
    create(op.execute, TABLES)
