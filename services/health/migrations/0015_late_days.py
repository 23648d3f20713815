"""How many accounts of a peer group had most of a day come in after it was planned.

Nothing is known of the days planned so far: they stay as they are.
"""

from alembic import op

revision = "health_0015"
down_revision = "health_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE peer_late_days (
            segment    text NOT NULL,
            time_zone  text NOT NULL,
            day        date NOT NULL,
            accounts   int NOT NULL,
            PRIMARY KEY (segment, time_zone, day)
        )
        """
    )
