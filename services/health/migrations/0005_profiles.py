"""Profiles as versioned data, and the metrics they define."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0005"
down_revision = "health_0004"
branch_labels = None
depends_on = None

# A version is active from `activated_at` until `retired_at`. Its document is never changed.
TABLES = """
CREATE TABLE profiles (
    name          text COLLATE "C" NOT NULL,
    version       int NOT NULL,
    document      jsonb NOT NULL,
    source        text NOT NULL,
    checksum      text NOT NULL,
    created_at    timestamptz NOT NULL,
    created_by    text NOT NULL,
    activated_at  timestamptz,
    activated_by  text,
    retired_at    timestamptz,
    backtest      jsonb,
    PRIMARY KEY (name, version)
);
CREATE UNIQUE INDEX profiles_one_active ON profiles (name)
    WHERE activated_at IS NOT NULL AND retired_at IS NULL;

CREATE TABLE profile_revision (
    is_only   boolean PRIMARY KEY CHECK (is_only),
    revision  text NOT NULL,
    shipped   text[] NOT NULL
);

CREATE TABLE profile_rollouts (
    name        text COLLATE "C" NOT NULL,
    version     int NOT NULL,
    started_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    finished_at timestamptz,
    segments    text[],
    reached     text COLLATE "C" NOT NULL DEFAULT '',
    marked      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (name, version, started_at)
);
CREATE INDEX profile_rollouts_open ON profile_rollouts (started_at) WHERE finished_at IS NULL;

CREATE TABLE metric_values (
    account_id   text COLLATE "C" NOT NULL,
    metric       text COLLATE "C" NOT NULL,
    day          date NOT NULL,
    value        double precision NOT NULL,
    sample       bigint NOT NULL,
    days_known   int NOT NULL,
    window_days  int NOT NULL,
    computed_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, metric, day)
) WITH (fillfactor = 80);

CREATE TABLE metric_latest (
    account_id   text COLLATE "C" NOT NULL,
    metric       text COLLATE "C" NOT NULL,
    day          date NOT NULL,
    value        double precision NOT NULL,
    sample       bigint NOT NULL,
    days_known   int NOT NULL,
    window_days  int NOT NULL,
    baseline     text NOT NULL,
    profile      text NOT NULL,
    first_day    date NOT NULL,
    computed_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, metric)
) WITH (fillfactor = 80);

CREATE TABLE event_names (
    name      text COLLATE "C" PRIMARY KEY,
    last_day  date NOT NULL
);
CREATE INDEX event_names_newest ON event_names (last_day);

CREATE TABLE usage_sums_since (
    name      text COLLATE "C" NOT NULL,
    property  text COLLATE "C" NOT NULL,
    day       date NOT NULL,
    PRIMARY KEY (name, property)
);

CREATE TABLE metric_summaries (
    metric        text COLLATE "C" PRIMARY KEY,
    accounts      bigint NOT NULL,
    newest_day    date NOT NULL,
    computed_at   timestamptz NOT NULL,
    counted_at    timestamptz NOT NULL
);

CREATE TABLE metric_backfills (
    profile        text COLLATE "C" NOT NULL,
    version        int NOT NULL,
    metric         text COLLATE "C" NOT NULL,
    state          text NOT NULL,
    reached        text COLLATE "C" NOT NULL DEFAULT '',
    accounts_done  bigint NOT NULL DEFAULT 0,
    accounts_total bigint NOT NULL,
    days_done      bigint NOT NULL DEFAULT 0,
    note           text NOT NULL DEFAULT '',
    started_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (metric, profile, version)
);
CREATE INDEX metric_backfills_open ON metric_backfills (started_at) WHERE state = 'running';
"""


def upgrade() -> None:
    create(op.execute, TABLES)
