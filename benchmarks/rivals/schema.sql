-- What the rivals keep. The same facts as Tenure: ids, counts by name, counts by user.
CREATE TABLE seen (source text NOT NULL, id text NOT NULL, PRIMARY KEY (source, id));
CREATE TABLE usage_daily (
    account_id text NOT NULL, day date NOT NULL, name text NOT NULL, n bigint NOT NULL,
    PRIMARY KEY (account_id, day, name)
);
CREATE TABLE usage_users (
    account_id text NOT NULL, day date NOT NULL, user_id text NOT NULL, n bigint NOT NULL,
    PRIMARY KEY (account_id, day, user_id)
);
CREATE TABLE positions (
    topic text NOT NULL, partition int NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);
