"""The drop detector at scale: one packed row an account, thresholds, people's decisions.

What the detector remembered is dropped: it is rebuilt from the daily counts, exactly.
"""

from alembic import op

from shared.db.plumbing import create

revision = "health_0008"
down_revision = "health_0007"
branch_labels = None
depends_on = None

TABLES = """
DROP TABLE detector_days;
DROP TABLE detector_states;
DELETE FROM peer_days;
DELETE FROM peer_groups;
UPDATE accounts SET sealed_through = NULL, dirty_from = NULL;

CREATE TABLE detector_states (
    account_id  text COLLATE "C" PRIMARY KEY,
    since       date NOT NULL,
    day         date NOT NULL,
    metrics     text[] NOT NULL,
    monitoring  text NOT NULL,
    records     bytea STORAGE MAIN NOT NULL,
    recent      bytea STORAGE MAIN NOT NULL
) WITH (toast_tuple_target = 8160, fillfactor = 50);
CREATE INDEX detector_states_monitoring ON detector_states (monitoring);

ALTER TABLE peer_days ADD COLUMN voters int NOT NULL;
ALTER TABLE peer_days ADD COLUMN observed double precision NOT NULL;
ALTER TABLE peer_days ADD COLUMN expected double precision NOT NULL;

DROP INDEX accounts_peers;
CREATE INDEX accounts_peers ON accounts (segment, time_zone, account_id)
    WHERE first_day IS NOT NULL;

CREATE TABLE monitoring_decisions (
    account_id  text COLLATE "C" NOT NULL,
    id          uuid NOT NULL,
    kind        text NOT NULL,
    from_day    date NOT NULL,
    until_day   date,
    reason      text NOT NULL,
    decided_by  text NOT NULL,
    decided_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE segment_gaps (
    id          uuid PRIMARY KEY,
    segment     text,
    from_day    date NOT NULL,
    until_day   date NOT NULL,
    reason      text NOT NULL,
    decided_by  text NOT NULL,
    decided_at  timestamptz NOT NULL
);

CREATE TABLE alarm_tallies (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    segment       text NOT NULL,
    time_zone     text NOT NULL,
    metric        text NOT NULL,
    band          int NOT NULL,
    month         date NOT NULL,
    account_days  double precision NOT NULL,
    openings      double precision[] NOT NULL
);

CREATE TABLE alarm_thresholds (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    metric          text NOT NULL,
    band            int NOT NULL,
    p_star          double precision NOT NULL,
    alarms          double precision NOT NULL,
    account_months  double precision NOT NULL,
    months          int NOT NULL,
    budget          double precision NOT NULL,
    is_calibrated   boolean NOT NULL,
    profile         text NOT NULL,
    calibrated_at   timestamptz NOT NULL
);
CREATE INDEX alarm_thresholds_latest ON alarm_thresholds (metric, band, id DESC);

CREATE TABLE segment_alarms (
    id            uuid PRIMARY KEY,
    segment       text NOT NULL,
    time_zone     text NOT NULL,
    opened_on     date NOT NULL,
    recovered_on  date,
    level         double precision NOT NULL,
    accounts      int NOT NULL
);
CREATE UNIQUE INDEX segment_alarms_one_open ON segment_alarms (segment, time_zone)
    WHERE recovered_on IS NULL;
"""


def upgrade() -> None:
    create(op.execute, TABLES)
