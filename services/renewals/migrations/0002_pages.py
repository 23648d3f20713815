"""Lists that were slow with 100,000 accounts: by whether there is an open save."""

from alembic import op

from shared.db.plumbing import create

revision = "renewals_0002"
down_revision = "renewals_0001"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE renewals ADD COLUMN at_risk boolean NOT NULL DEFAULT false;
UPDATE renewals AS r SET at_risk = true FROM saves AS s
    WHERE s.account_id = r.account_id AND s.renewal_id = r.renewal_id AND s.closed_at IS NULL;
CREATE INDEX renewals_by_risk ON renewals (at_risk, notice_date, renewal_id);
CREATE INDEX saves_open ON saves (save_id) WHERE closed_at IS NULL;
CREATE INDEX saves_closed ON saves (save_id) WHERE closed_at IS NOT NULL;
"""


def upgrade() -> None:
    create(op.execute, TABLES)
