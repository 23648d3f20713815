"""The delivery log by channel and status, without a look at every delivery."""

from alembic import op

from shared.db.plumbing import create

revision = "notifications_0002"
down_revision = "notifications_0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE INDEX deliveries_by_channel ON deliveries (channel, id);
CREATE INDEX deliveries_by_status ON deliveries (status, id);
CREATE INDEX deliveries_by_both ON deliveries (channel, status, id);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
