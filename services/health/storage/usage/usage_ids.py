"""The ids of counted events: what makes a count exact, across partitions and replicas.

Who counts decides by what it remembers (`KnownIds`), and takes the number of its block last,
under a lock that it holds until the commit. Blocks that others committed since the decision are
read then: if one holds an id of this batch, the batch is counted again. So no id is in two blocks.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from services.health.domain.usage.bloom import asked
from services.health.domain.usage.known_ids import (
    Block,
    Decision,
    KnownIds,
    Run,
    buckets_for,
    sort_into_buckets,
    split,
)
from services.health.storage.usage.usage_days import IDS_KEPT
from shared.db.transaction import Transaction

_PROBES_AT_ONCE = 50_000
_BUCKETS_AT_ONCE = 500
_MERGED_FROM_IDS = 200_000
"""Ids of a day in blocks that are merged into a run: they take some 20 MB of each replica."""
_MERGED_FROM_BLOCKS = 5_000
_MOST_MERGED = 1_000_000

_LOOK = "SELECT t.day, l.seq, l.run FROM usage_today AS t, usage_id_log AS l FOR SHARE OF t"
# A subquery for each key, so that it is one index probe: a join would be planned by reading days.
_FIND = """
SELECT string_agg(e.key, '') FROM (
    SELECT p.day, p.run, p.bucket, substr(CAST(:keys AS bytea), CAST(p.n AS int) * 16 - 15, 16)
           AS key
    FROM unnest(CAST(:days AS date[]), CAST(:runs AS bigint[]), CAST(:buckets AS int[]))
         WITH ORDINALITY AS p(day, run, bucket, n)) AS e
WHERE (SELECT position(e.key IN u.keys) > 0 FROM usage_ids AS u
       WHERE u.day = e.day AND u.run = e.run AND u.bucket = e.bucket)
"""
_PAGE = """
SELECT max(bucket) AS last, string_agg(keys, '') AS keys FROM (
    SELECT bucket, keys FROM usage_ids WHERE day = :day AND run = :run AND bucket > :after
    ORDER BY bucket LIMIT :limit) AS page
"""
# Days in a row: what is past goes first, and today once there is enough of it.
_TO_MERGE = """
SELECT day FROM usage_id_blocks GROUP BY day
HAVING day < :today OR sum(ids) >= :from_ids OR count(*) >= :from_blocks
ORDER BY day LIMIT 1
"""
_BLOCKS_TO_MERGE = """
SELECT seq, keys FROM (
    SELECT seq, keys, sum(ids) OVER (ORDER BY seq) - ids AS before
    FROM usage_id_blocks WHERE day = :day) AS b
WHERE before < :most ORDER BY seq
"""
_ADD_BUCKETS = """
INSERT INTO usage_ids (day, run, bucket, keys)
SELECT :day, :run, b, k FROM unnest(CAST(:buckets AS int[]), CAST(:keys AS bytea[])) AS e(b, k)
"""


class Claim(NamedTuple):
    """The keys that a batch counts, and what that was decided on."""

    day: date
    keys: Sequence[bytes]
    decided: Decision


class CountedMeanwhileError(Exception):
    """Another replica counted some of these events since it was decided: count again."""


async def decide(tx: Transaction, keys: Sequence[bytes], memory: KnownIds) -> tuple[date, Decision]:
    """Return the day that is counted on, held until the commit, and which keys are known."""
    day = await learn(tx, memory)
    through = memory.through
    return day, Decision(await _known_among(tx, keys, memory), through)


async def learn(tx: Transaction, memory: KnownIds) -> date:
    """Learn of all blocks and runs; return the day that is counted on, held until the commit."""
    log = await tx.fetch_one(_LOOK)
    if log is None:
        raise LookupError("usage_today and usage_id_log hold one row each; run `tenure migrate`")
    if (log["seq"], log["run"]) != (memory.through, memory.run):
        await _catch_up(tx, memory, log["seq"])
    day: date = log["day"]
    memory.forget_before(_first_kept(day))
    return day


async def keep(tx: Transaction, claim: Claim, memory: KnownIds) -> Block | None:
    """Keep the ids of a batch; the last thing before its commit. Learn the block after it.

    Raises `CountedMeanwhileError` when some of them are kept already.
    """
    if not claim.keys:
        return None
    seq = int(await tx.fetch_value("UPDATE usage_id_log SET seq = seq + 1 RETURNING seq"))
    if claim.decided.through != seq - 1:
        await _catch_up(tx, memory, seq - 1)
        if await _known_among(tx, claim.keys, memory):
            raise CountedMeanwhileError
    await tx.execute(
        "INSERT INTO usage_id_blocks (seq, day, ids, keys) VALUES (:seq, :day, :ids, :keys)",
        seq=seq,
        day=claim.day,
        ids=len(claim.keys),
        keys=b"".join(claim.keys),
    )
    return Block(seq, claim.day, claim.keys)


async def read_run(tx: Transaction, run: Run, memory: KnownIds) -> None:
    """Read the ids of a run into memory."""
    filled, after = memory.begin_reading(run), -1
    while True:
        page = await tx.fetch_one(
            _PAGE, day=run.day, run=run.number, after=after, limit=_BUCKETS_AT_ONCE
        )
        if page is None or page["last"] is None:
            break
        filled.add(asked([page["keys"]]))
        after = page["last"]
    memory.end_reading(run)


async def merge(
    tx: Transaction, *, from_ids: int = _MERGED_FROM_IDS, most: int = _MOST_MERGED
) -> bytes:
    """Merge blocks of a day into a run, once they are many or the day is past.

    Return the keys that were merged, one after the other: each key is merged once. One replica at
    a time. Who counts waits only for the end of it.
    """
    if not await tx.fetch_value("SELECT pg_try_advisory_xact_lock(hashtext('usage_id_blocks'))"):
        return b""
    today = await tx.fetch_value("SELECT day FROM usage_today")
    day = await tx.fetch_value(
        _TO_MERGE, today=today, from_ids=from_ids, from_blocks=_MERGED_FROM_BLOCKS
    )
    if day is None:
        return b""
    blocks = await tx.fetch_all(_BLOCKS_TO_MERGE, day=day, most=most)
    buckets = sort_into_buckets([block["keys"] for block in blocks])
    run = await _add_run(tx, day, (blocks[0]["seq"], blocks[-1]["seq"]), buckets)
    await tx.execute(
        "DELETE FROM usage_id_blocks WHERE seq BETWEEN :first AND :last",
        first=blocks[0]["seq"],
        last=blocks[-1]["seq"],
    )
    await tx.execute("UPDATE usage_id_log SET run = :run", run=run)
    return b"".join([block["keys"] for block in blocks])


async def count(tx: Transaction, day: date) -> int:
    """Return how many ids a day has."""
    return int(
        await tx.fetch_value(
            "SELECT coalesce((SELECT sum(octet_length(keys)) FROM usage_ids WHERE day = :day), 0) "
            "/ 16 + coalesce((SELECT sum(ids) FROM usage_id_blocks WHERE day = :day), 0)",
            day=day,
        )
    )


async def _catch_up(tx: Transaction, memory: KnownIds, through: int) -> None:
    """Learn what was committed up to a block. First blocks, then runs: none falls in between."""
    rows = await tx.fetch_all(
        "SELECT seq, day, keys FROM usage_id_blocks WHERE seq > :seq ORDER BY seq",
        seq=memory.through,
    )
    for row in rows:
        memory.learn_block(Block(row["seq"], row["day"], split(row["keys"])))
    runs = await tx.fetch_all(
        "SELECT run, day, first_seq, last_seq, buckets, ids FROM usage_id_runs WHERE run > :run "
        "ORDER BY run",
        run=memory.run,
    )
    for row in runs:
        memory.learn_run(Run(*row.values()))
    memory.through = max(memory.through, through, *[row["seq"] for row in rows])


async def _known_among(tx: Transaction, keys: Sequence[bytes], memory: KnownIds) -> set[bytes]:
    known, probes = memory.suspects(keys)
    for start in range(0, len(probes), _PROBES_AT_ONCE):
        some = probes[start : start + _PROBES_AT_ONCE]
        found = await tx.fetch_value(
            _FIND,
            keys=b"".join([probe.key for probe in some]),
            days=[probe.day for probe in some],
            runs=[probe.run for probe in some],
            buckets=[probe.bucket for probe in some],
        )
        known.update(split(found))
    return known


async def _add_run(
    tx: Transaction, day: date, seqs: tuple[int, int], buckets: Sequence[tuple[int, bytes]]
) -> int:
    ids = sum(len(keys) for _, keys in buckets) // 16
    run = int(
        await tx.fetch_value(
            "INSERT INTO usage_id_runs (day, first_seq, last_seq, buckets, ids) "
            "VALUES (:day, :first, :last, :buckets, :ids) RETURNING run",
            day=day,
            first=seqs[0],
            last=seqs[1],
            buckets=buckets_for(ids),
            ids=ids,
        )
    )
    await tx.execute(
        _ADD_BUCKETS,
        day=day,
        run=run,
        buckets=[number for number, _ in buckets],
        keys=[keys for _, keys in buckets],
    )
    return run


def _first_kept(today: date) -> date:
    return today - timedelta(days=IDS_KEPT) if today > date.min else today
