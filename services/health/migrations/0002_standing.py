"""What health hears of contracts, onboarding and renewals: life stage, seats, money, outcomes."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0002"
down_revision = "health_0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE contracts (
    account_id    text COLLATE "C" NOT NULL,
    contract_id   text NOT NULL,
    starts_on     date NOT NULL,
    ends_on       date NOT NULL,
    notice_on     date NOT NULL,
    seats         int NOT NULL,
    amount_minor  bigint NOT NULL,
    currency      text NOT NULL,
    PRIMARY KEY (account_id, contract_id)
);

CREATE TABLE onboardings (
    account_id    text COLLATE "C" PRIMARY KEY,
    started_at    timestamptz,
    completed_at  timestamptz
);

CREATE TABLE renewal_outcomes (
    account_id    text COLLATE "C" NOT NULL,
    renewal_id    text NOT NULL,
    contract_id   text NOT NULL,
    resolved_at   timestamptz NOT NULL,
    is_lost       boolean NOT NULL,
    amount_minor  bigint NOT NULL,
    currency      text NOT NULL,
    PRIMARY KEY (account_id, renewal_id)
);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
