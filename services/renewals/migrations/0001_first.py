"""Accounts, contracts, renewals, windows, risks and saves."""

from alembic import op

from shared.db.plumbing import PLUMBING_V1, create

revision = "renewals_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE accounts (
    account_id  text COLLATE "C" PRIMARY KEY,
    segment     text,
    time_zone   text NOT NULL
);

CREATE TABLE contracts (
    account_id          text COLLATE "C" NOT NULL REFERENCES accounts,
    contract_id         uuid NOT NULL,
    starts_on           date NOT NULL,
    ends_on             date NOT NULL,
    notice_period_days  int NOT NULL,
    auto_renew          boolean NOT NULL,
    seats               int NOT NULL,
    amount_minor        bigint NOT NULL,
    currency            text NOT NULL,
    signed_at           timestamptz NOT NULL,
    version             int NOT NULL,
    PRIMARY KEY (account_id, contract_id)
);

CREATE TABLE renewals (
    account_id    text COLLATE "C" NOT NULL,
    renewal_id    uuid NOT NULL,
    contract_id   uuid NOT NULL,
    notice_date   date NOT NULL,
    ends_on       date NOT NULL,
    amount_minor  bigint NOT NULL,
    currency      text NOT NULL,
    stage         text NOT NULL,
    assessment    jsonb NOT NULL,
    forecast      jsonb,
    decision      jsonb,
    version       int NOT NULL,
    PRIMARY KEY (account_id, renewal_id),
    UNIQUE (account_id, contract_id),
    FOREIGN KEY (account_id, contract_id) REFERENCES contracts
);
CREATE INDEX renewals_by_notice_date ON renewals (notice_date, renewal_id);

CREATE TABLE renewal_windows (
    account_id   text COLLATE "C" NOT NULL,
    renewal_id   uuid NOT NULL,
    notice_date  date NOT NULL,
    days         int NOT NULL,
    opened_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, renewal_id, notice_date, days),
    FOREIGN KEY (account_id, renewal_id) REFERENCES renewals
);

CREATE TABLE risks (
    account_id    text COLLATE "C" NOT NULL REFERENCES accounts,
    risk_id       text COLLATE "C" NOT NULL,
    reason        text NOT NULL,
    severity      text NOT NULL,
    title         text NOT NULL,
    explanation   text NOT NULL,
    next_step     text NOT NULL,
    opened_at     timestamptz NOT NULL,
    recovered_at  timestamptz,
    PRIMARY KEY (account_id, risk_id)
);

CREATE TABLE saves (
    account_id  text COLLATE "C" NOT NULL,
    save_id     uuid NOT NULL,
    renewal_id  uuid NOT NULL,
    opened_at   timestamptz NOT NULL,
    reasons     jsonb NOT NULL,
    closed_at   timestamptz,
    outcome     text,
    PRIMARY KEY (account_id, save_id),
    FOREIGN KEY (account_id, renewal_id) REFERENCES renewals
);
CREATE UNIQUE INDEX saves_one_open ON saves (account_id, renewal_id) WHERE closed_at IS NULL;
CREATE INDEX saves_newest ON saves (save_id);
"""


def upgrade() -> None:
    create(op.execute, PLUMBING_V1)
    create(op.execute, TABLES)
