"""Many accounts out of few: SQL copies every row that some real accounts have, in every table.

The few were made through the product, so each row is one that it would have written. A copy has
its own account id, its own UUIDs (the same everywhere the old one was), its own times and one of
500 owners. Tables that are added to the product later are copied as well.
"""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.customers import CSM
from benchmarks.database import Reader

OWNERS = 500
_PLUMBING = ("outbox", "inbox", "timers", "positions", "idempotency_keys", "dead_letters")
_TABLES = """
SELECT t.table_name FROM information_schema.columns AS c
JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE table_schema = $1 AND c.column_name = 'account_id' AND t.table_type = 'BASE TABLE'
  AND NOT (SELECT relispartition FROM pg_class
           WHERE oid = (quote_ident($1) || '.' || quote_ident(t.table_name))::regclass)
ORDER BY 1
"""
_COLUMNS = """
SELECT column_name AS name, data_type AS type FROM information_schema.columns
WHERE table_schema = $1 AND table_name = $2 AND is_identity = 'NO' AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""
_COPY = """
INSERT INTO {schema}.{table} ({columns})
SELECT {values} FROM generate_series(0, $1::int - 1) AS g(n)
JOIN (SELECT *, array_position($2::text[], account_id::text) - 1 AS seed FROM {schema}.{table}
      WHERE account_id = ANY($2::text[])) AS t ON t.seed = g.n % cardinality($2::text[])
ON CONFLICT DO NOTHING
"""

# What makes rows unique stays: it is what leaves out those that were there before.
_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i WHERE i.indrelid = $1::regclass AND NOT i.indisunique
"""


def multiply(
    reader: Reader,
    schemas: Sequence[str],
    seeds: Sequence[str],
    count: int,
    *,
    say: Callable[[str], None],
) -> Mapping[str, int]:
    """Copy the seeds until there are ``count`` more accounts; return rows by table."""
    rows: dict[str, int] = {}
    reader.execute("SET synchronous_commit = off")
    reader.execute("SET maintenance_work_mem = '256MB'")
    # Copies are consistent by construction; checking each reference would take most of the time.
    reader.execute("SET session_replication_role = replica")
    for schema in schemas:
        for found in reader.rows(_TABLES, schema):
            table = found["table_name"]
            if table not in _PLUMBING:
                name = f"{schema}.{table}"
                _copy(reader, name, _statement(reader, schema, table), (count, list(seeds)))
                rows[name] = int(reader.value(f"SELECT count(*) FROM {name}"))
                say(f"P7   {rows[name]:>10,} rows of {name}")
    reader.execute("SET session_replication_role = origin")
    for name in rows:
        reader.execute(f"VACUUM (ANALYZE) {name}")
    return rows


def copied(number: int) -> str:
    """Return the account id of a copy."""
    return f"copy-{number:07}"


def owner(number: int) -> str:
    """Return the e-mail address of one of the owners."""
    return CSM.replace("@", f"-{number % OWNERS}@")


def _copy(reader: Reader, table: str, statement: str, what: tuple[int, list[str]]) -> None:
    """Copy without the indexes, and make them after: at once is faster than row by row."""
    indexes = reader.rows(_INDEXES, table)
    for index in indexes:
        reader.execute(f"DROP INDEX {index['name']}")
    reader.execute(statement, *what)
    for index in indexes:
        reader.execute(index["definition"])


def _statement(reader: Reader, schema: str, table: str) -> str:
    columns = reader.rows(_COLUMNS, schema, table)
    return _COPY.format(
        schema=schema,
        table=table,
        columns=", ".join(f'"{each["name"]}"' for each in columns),
        values=", ".join(_value(schema, each["name"], each["type"]) for each in columns),
    )


def _value(schema: str, name: str, kind: str) -> str:
    column = f't."{name}"'
    if name == "account_id":
        return "'copy-' || lpad(g.n::text, 7, '0')"
    if kind == "uuid":
        return f"md5({column}::text || g.n)::uuid"
    if kind == "timestamp with time zone":
        return f"{column} - g.n * interval '100 milliseconds'"
    if kind == "date" and schema == "renewals":
        return f"{column} + g.n % 300"
    if kind == "text":
        return f"replace({column}, '{CSM}', 'csm-' || g.n % {OWNERS} || '@vendor.example')"
    return column
