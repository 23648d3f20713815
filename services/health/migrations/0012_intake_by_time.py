"""Unattributed events are found by their age, to be forgotten."""

from alembic import op

revision = "health_0012"
down_revision = "health_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX unattributed_by_time ON unattributed (received_at)")
