"""The first tables of onboarding: accounts, owners, contacts, plans and their milestones."""

from alembic import op

from shared.db.plumbing import PLUMBING_V1, create

revision = "onboarding_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE accounts (
    account_id  text COLLATE "C" PRIMARY KEY,
    name        text NOT NULL,
    segment     text COLLATE "C" NOT NULL,
    time_zone   text NOT NULL,
    opened_at   timestamptz NOT NULL,
    stated      text[] NOT NULL,
    version     int NOT NULL
);
CREATE INDEX accounts_segment ON accounts (segment, account_id);

CREATE TABLE owners (
    account_id  text COLLATE "C" NOT NULL REFERENCES accounts,
    owner_id    text COLLATE "C" NOT NULL,
    role        text NOT NULL,
    name        text NOT NULL,
    email       text NOT NULL,
    valid_from  timestamptz NOT NULL,
    valid_to    timestamptz,
    PRIMARY KEY (account_id, owner_id)
);
CREATE UNIQUE INDEX owners_current ON owners (account_id, role) WHERE valid_to IS NULL;
CREATE INDEX owners_email ON owners (lower(email), account_id) WHERE valid_to IS NULL;

CREATE TABLE contacts (
    account_id        text COLLATE "C" NOT NULL REFERENCES accounts,
    contact_id        text COLLATE "C" NOT NULL,
    name              text NOT NULL,
    email             text NOT NULL,
    role              text NOT NULL,
    external_user_id  text,
    language          text NOT NULL,
    time_zone         text NOT NULL,
    channel           text NOT NULL,
    do_not_contact    boolean NOT NULL,
    status            text NOT NULL,
    version           int NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);
CREATE UNIQUE INDEX contacts_email ON contacts (account_id, lower(email));

CREATE TABLE plans (
    account_id       text COLLATE "C" PRIMARY KEY REFERENCES accounts,
    plan_id          text NOT NULL,
    template         text NOT NULL,
    opened_at        timestamptz NOT NULL,
    no_upsell_until  date NOT NULL,
    completed_at     timestamptz
);

CREATE TABLE milestones (
    account_id       text COLLATE "C" NOT NULL REFERENCES plans,
    key              text COLLATE "C" NOT NULL,
    position         int NOT NULL,
    title            text NOT NULL,
    owner_role       text NOT NULL,
    due_on           date NOT NULL,
    requires         text[] NOT NULL,
    usage_milestone  text,
    is_first_value   boolean NOT NULL,
    completed_at     timestamptz,
    completed_by     text,
    done_by          text,
    overdue_at       timestamptz,
    PRIMARY KEY (account_id, key)
);

-- What health said was reached, kept for a plan that is opened later; the account may be unknown.
CREATE TABLE usage_milestones (
    account_id  text COLLATE "C" NOT NULL,
    milestone   text COLLATE "C" NOT NULL,
    reached_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, milestone)
);
"""


def upgrade() -> None:
    create(op.execute, PLUMBING_V1)
    create(op.execute, TABLES)
