"""Signals from everywhere, the whole life of a risk, pulses, disagreements, who is at risk."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0007"
down_revision = "health_0006"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE signals ADD COLUMN retracted_at timestamptz;
ALTER TABLE signals ADD COLUMN retraction text;
ALTER TABLE signals ADD COLUMN retracted_by text;

CREATE TABLE external_ids (
    system       text COLLATE "C" NOT NULL,
    external_id  text COLLATE "C" NOT NULL,
    account_id   text COLLATE "C" NOT NULL,
    set_at       timestamptz NOT NULL,
    set_by       text NOT NULL,
    PRIMARY KEY (system, external_id)
);

CREATE TABLE unmatched_signals (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,
    key          text NOT NULL,
    type         text NOT NULL,
    value        jsonb,
    observed_at  timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    externals    jsonb NOT NULL,
    code         text NOT NULL,
    message      text NOT NULL,
    UNIQUE (source, key)
);
CREATE INDEX unmatched_signals_externals ON unmatched_signals USING gin (externals jsonb_path_ops);

CREATE INDEX risks_by_id ON risks (id);

CREATE TABLE risk_events (
    risk_id     uuid NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    kind        text NOT NULL,
    by          text,
    note        text,
    details     jsonb NOT NULL,
    PRIMARY KEY (risk_id, id)
);

CREATE TABLE looks (
    account_id  text COLLATE "C" PRIMARY KEY,
    due_at      timestamptz NOT NULL
);
CREATE INDEX looks_due ON looks (due_at);
-- Risks that are open already are looked at once, which ranks their accounts.
INSERT INTO looks (account_id, due_at)
    SELECT DISTINCT account_id, now() FROM risks WHERE status = 'open';

CREATE TABLE at_risk (
    account_id   text COLLATE "C" PRIMARY KEY,
    probability  double precision NOT NULL,
    origin       text NOT NULL,
    risks        jsonb NOT NULL,
    mrr_minor    bigint,
    currency     text,
    value_minor  double precision,
    notice_on    date,
    ends_on      date,
    changed_at   timestamptz NOT NULL
);
CREATE INDEX at_risk_by_probability ON at_risk ((-probability), account_id);
CREATE INDEX at_risk_by_value ON at_risk (currency, (-value_minor), account_id);
CREATE INDEX at_risk_unpriced ON at_risk ((-probability), account_id)
    WHERE value_minor IS NULL;

CREATE TABLE pulses (
    account_id  text COLLATE "C" NOT NULL,
    id          uuid NOT NULL,
    at          timestamptz NOT NULL,
    value       double precision NOT NULL,
    band        text NOT NULL,
    comment     text,
    by          text NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE disagreements (
    id           uuid PRIMARY KEY,
    account_id   text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    status       text NOT NULL,
    believed     text NOT NULL,
    computed     text NOT NULL,
    explanation  text NOT NULL,
    by           text NOT NULL,
    opened_at    timestamptz NOT NULL,
    resolved_at  timestamptz,
    resolved_by  text,
    resolution   text
);
CREATE UNIQUE INDEX disagreements_one_open ON disagreements (account_id, subject)
    WHERE status = 'open';
CREATE INDEX disagreements_by_time ON disagreements (opened_at, id);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
