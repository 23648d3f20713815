"""User ids that are one person, and quick answers about what was refused."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0003"
down_revision = "health_0002"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE user_aliases (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    previous_id   text COLLATE "C" NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    source        text NOT NULL,
    requested_at  timestamptz NOT NULL,
    UNIQUE (previous_id, user_id)
);
CREATE INDEX user_aliases_user ON user_aliases (user_id);

CREATE INDEX rejections_by_code ON rejections (code, id);
CREATE INDEX rejections_by_time ON rejections (received_at);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
