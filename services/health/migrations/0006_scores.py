"""Scores in depth: the current ones apart from history, similar accounts, p(loss)."""

from alembic import op

from shared.db.plumbing import create

revision = "health_0006"
down_revision = "health_0005"
branch_labels = None
depends_on = None

# The explanation is kept out of the row, so that lists and their indexes read small rows.
TABLES = """
CREATE TABLE current_scores (
    account_id     text COLLATE "C" PRIMARY KEY,
    segment        text COLLATE "C" NOT NULL,
    at             timestamptz NOT NULL,
    score          double precision NOT NULL,
    band           text COLLATE "C" NOT NULL,
    coverage       double precision NOT NULL,
    profile        text NOT NULL,
    p_loss         double precision,
    model_version  int,
    explanation    jsonb NOT NULL,
    said_score     double precision,
    changed_at     timestamptz NOT NULL,
    kept_at        timestamptz NOT NULL
) WITH (toast_tuple_target = 128, fillfactor = 80);

INSERT INTO current_scores (account_id, segment, at, score, band, coverage, profile, explanation,
                            said_score, changed_at, kept_at)
SELECT s.account_id, coalesce(a.segment, 'smb'), s.at, s.score, s.band, s.coverage, s.profile,
       s.explanation, s.score, s.at, s.at
FROM scores AS s LEFT JOIN accounts AS a USING (account_id) WHERE s.is_latest;

CREATE INDEX current_scores_score ON current_scores (score, account_id);
CREATE INDEX current_scores_band_score ON current_scores (band, score, account_id);
CREATE INDEX current_scores_segment_score ON current_scores (segment, score, account_id);
CREATE INDEX current_scores_band ON current_scores (band, account_id);
CREATE INDEX current_scores_segment ON current_scores (segment, account_id);
CREATE INDEX current_scores_changed ON current_scores (changed_at DESC, account_id);
CREATE INDEX current_scores_coverage ON current_scores (coverage);
CREATE INDEX current_scores_at ON current_scores (at);

DROP INDEX scores_latest;
ALTER TABLE scores DROP COLUMN is_latest;
ALTER TABLE scores SET (toast_tuple_target = 128);
ALTER TABLE scores ADD COLUMN p_loss double precision;
ALTER TABLE scores ADD COLUMN model_version int;
ALTER TABLE scores ADD COLUMN is_kept boolean NOT NULL DEFAULT false;
CREATE INDEX scores_unthinned ON scores (at) WHERE NOT is_kept;

CREATE TABLE input_values (
    account_id  text COLLATE "C" NOT NULL,
    input       text NOT NULL,
    segment     text NOT NULL,
    value       double precision NOT NULL,
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, input)
);

CREATE TABLE segment_distributions (
    segment      text NOT NULL,
    input        text NOT NULL,
    window_days  int NOT NULL,
    computed_at  timestamptz NOT NULL,
    quantiles    double precision[] NOT NULL,
    accounts     int NOT NULL,
    PRIMARY KEY (segment, input, window_days, computed_at)
);
"""


def upgrade() -> None:
    create(op.execute, TABLES)
