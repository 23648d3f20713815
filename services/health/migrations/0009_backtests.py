"""Back-tests of profiles, and the models of loss fitted to an installation's own history."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0009"
down_revision = "health_0008"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE backtests (
    id               uuid PRIMARY KEY,
    profile_name     text COLLATE "C" NOT NULL,
    profile_version  int NOT NULL,
    profile          jsonb NOT NULL,
    outcomes         jsonb,
    plan             jsonb NOT NULL,
    fits_model       boolean NOT NULL,
    state            text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    stage            text NOT NULL DEFAULT 'waiting for its turn',
    progress         double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    attempts         int NOT NULL DEFAULT 0,
    leased_until     timestamptz,
    error            text,
    result           jsonb,
    summary          jsonb,
    model_version    int,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    finished_at      timestamptz
);
CREATE INDEX backtests_waiting ON backtests (created_at) WHERE state IN ('queued', 'running');
CREATE INDEX backtests_by_time ON backtests (created_at, id);
CREATE INDEX backtests_of_profile ON backtests (profile_name, profile_version, finished_at)
    WHERE state = 'done';

CREATE TABLE loss_models (
    profile_name     text COLLATE "C" NOT NULL,
    version          int NOT NULL,
    profile_version  int NOT NULL,
    model            jsonb NOT NULL,
    backtest_id      uuid NOT NULL REFERENCES backtests (id),
    trained_at       timestamptz NOT NULL,
    is_active        boolean NOT NULL DEFAULT false,
    activated_at     timestamptz,
    activated_by     text,
    forced_because   text,
    PRIMARY KEY (profile_name, version)
);
CREATE UNIQUE INDEX loss_models_one_active ON loss_models (profile_name, profile_version)
    WHERE is_active;
"""


def upgrade() -> None:
    create(op.execute, TABLES)
