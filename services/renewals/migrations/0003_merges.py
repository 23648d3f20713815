"""Which risks are told with which others."""

from alembic import op

from shared.db.plumbing import create

revision = "renewals_0003"
down_revision = "renewals_0002"
branch_labels = None
depends_on = None

# No reference to risks: a merge may be heard of before either of them.
TABLES = """
CREATE TABLE risk_merges (
    account_id    text COLLATE "C" NOT NULL REFERENCES accounts,
    risk_id       text COLLATE "C" NOT NULL,
    into_risk_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, risk_id, into_risk_id)
);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
