"""Accounts, entitlements, risks and opportunities."""

from alembic import op

from shared.db.plumbing import PLUMBING_V1, create

revision = "expansion_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE accounts (
    account_id        text COLLATE "C" PRIMARY KEY,
    time_zone         text NOT NULL,
    usage_day         date,
    active_users_28d  int,
    no_upsell_until   date,
    near_limit_since  timestamptz
);

CREATE TABLE entitlements (
    account_id   text COLLATE "C" NOT NULL REFERENCES accounts,
    contract_id  text COLLATE "C" NOT NULL,
    seats        int NOT NULL,
    starts_on    date NOT NULL,
    signed_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, contract_id)
);

CREATE TABLE risks (
    account_id    text COLLATE "C" NOT NULL REFERENCES accounts,
    risk_id       text COLLATE "C" NOT NULL,
    reason        text NOT NULL,
    opened_at     timestamptz NOT NULL,
    recovered_at  timestamptz,
    PRIMARY KEY (account_id, risk_id)
);

CREATE TABLE opportunities (
    account_id        text COLLATE "C" NOT NULL REFERENCES accounts,
    opportunity_id    uuid NOT NULL,
    kind              text NOT NULL,
    status            text NOT NULL,
    seats             int NOT NULL,
    active_users_28d  int NOT NULL,
    usage_day         date NOT NULL,
    because           jsonb NOT NULL,
    until             date,
    explanation       text NOT NULL,
    found_at          timestamptz NOT NULL,
    opened_at         timestamptz,
    closed_at         timestamptz,
    close_reason      text,
    closed_by         text,
    version           int NOT NULL,
    PRIMARY KEY (account_id, opportunity_id)
);
CREATE UNIQUE INDEX opportunities_one_at_a_time ON opportunities (account_id, kind)
    WHERE status IN ('withheld', 'open');
CREATE INDEX opportunities_newest ON opportunities (opportunity_id);
"""


def upgrade() -> None:
    create(op.execute, PLUMBING_V1)
    create(op.execute, TABLES)
