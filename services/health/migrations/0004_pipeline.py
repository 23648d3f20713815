"""Raw usage kept beside its counts, sums of properties, and the one day that is counted on."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0004"
down_revision = "health_0002"
branch_labels = None
depends_on = None

# Where counts are older than the raw events beside them, only later days can be proven.
TABLES = """
CREATE TABLE usage_today (
    is_only  boolean PRIMARY KEY CHECK (is_only),
    day      date NOT NULL
);
INSERT INTO usage_today (is_only, day)
    SELECT true, coalesce(max(day), '-infinity') FROM usage_ids;

CREATE TABLE usage_raw (
    day      date NOT NULL,
    id       uuid NOT NULL,
    events   int NOT NULL,
    payload  bytea NOT NULL,
    PRIMARY KEY (day, id)
) PARTITION BY RANGE (day);
ALTER TABLE usage_raw ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE usage_raw_since (
    is_only  boolean PRIMARY KEY CHECK (is_only),
    day      date NOT NULL
);
INSERT INTO usage_raw_since (is_only, day)
    SELECT true, CASE WHEN EXISTS (SELECT FROM usage_daily)
        THEN current_date + 1 ELSE '-infinity' END;

ALTER TABLE accounts SET (fillfactor = 80);

CREATE TABLE usage_sums (
    account_id  text COLLATE "C" NOT NULL,
    day         date NOT NULL,
    name        text COLLATE "C" NOT NULL,
    property    text COLLATE "C" NOT NULL,
    total       double precision NOT NULL,
    n           bigint NOT NULL,
    PRIMARY KEY (account_id, day, name, property)
) WITH (fillfactor = 80);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
