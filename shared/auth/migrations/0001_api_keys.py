"""API keys: who may call, as hashes.

Service roles need USAGE on the schema, SELECT on the table and UPDATE (last_used_at).
"""

from alembic import op

revision = "auth_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE api_keys (
            id             uuid PRIMARY KEY,
            name           text NOT NULL,
            source         text NOT NULL,
            scopes         text[] NOT NULL CHECK (cardinality(scopes) > 0),
            prefix         text NOT NULL UNIQUE,
            secret_sha256  bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
            created_at     timestamptz NOT NULL,
            expires_at     timestamptz,
            revoked_at     timestamptz,
            last_used_at   timestamptz
        )
    """)
