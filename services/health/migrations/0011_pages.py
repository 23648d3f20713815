"""Indexes of pages that were slow with 100,000 accounts."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0011"
down_revision = "health_0010"
branch_labels = None
depends_on = None

# None of their columns changes with usage: counting goes on updating rows in place.
TABLES = """
CREATE INDEX risks_by_status ON risks (status, opened_at, id) WHERE status <> 'suspected';
CREATE INDEX risks_of_drops ON risks (opened_at, reason)
    WHERE status <> 'suspected' AND reason LIKE '%\\_drop';
CREATE INDEX detector_states_by_state ON detector_states (monitoring);
CREATE INDEX accounts_first_seen ON accounts (first_seen_at);
CREATE INDEX at_risk_money ON at_risk (currency) INCLUDE (mrr_minor, value_minor);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
