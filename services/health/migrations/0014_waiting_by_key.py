"""Events that wait for an account are found by their key, once they were counted after all.

Those that wait already have none: they stay until somebody attributes them, or they are forgotten.
"""

from alembic import op

revision = "health_0014"
down_revision = "health_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE unattributed ADD COLUMN key bytea")
    op.execute("CREATE INDEX unattributed_by_key ON unattributed (key)")
