"""Two refused events that share an id are two rejections: the second was lost."""

from alembic import op

revision = "health_0013"
down_revision = "health_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX rejections_once")
    op.execute(
        "CREATE UNIQUE INDEX rejections_once ON rejections (source, event_id, md5(raw)) "
        "WHERE event_id IS NOT NULL"
    )
