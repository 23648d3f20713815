"""The inbox and the positions: what makes an at-least-once log count exactly once."""

from collections.abc import Collection, Mapping, Sequence

from shared.contracts.event import Event
from shared.db.transaction import Transaction


class Fenced(Exception):  # noqa: N818 - says what happened to this worker
    """Another consumer has moved this position; this transaction must not commit."""


async def claim(tx: Transaction, event: Event) -> bool:
    """Return True the first time an event (by source and id) is seen in this schema."""
    claimed = await tx.execute(
        "INSERT INTO inbox (source, id, received_at) VALUES (:source, :id, :now) "
        "ON CONFLICT DO NOTHING",
        source=event.source,
        id=event.id,
        now=tx.now,
    )
    return claimed == 1


async def claim_all(tx: Transaction, source: str, ids: Collection[str]) -> set[str]:
    """Return which ids of a source are seen in this schema for the first time."""
    if not ids:
        return set()
    rows = await tx.fetch_all(
        "INSERT INTO inbox (source, id, received_at) "
        "SELECT :source, e, :now FROM unnest(CAST(:ids AS text[])) AS e "
        "ON CONFLICT DO NOTHING RETURNING id",
        source=source,
        ids=sorted(set(ids)),  # in one order everywhere: two of these never wait in a circle
        now=tx.now,
    )
    return {row["id"] for row in rows}


async def positions(
    tx: Transaction, group: str, topic: str, partitions: Sequence[int]
) -> dict[int, tuple[int, str]]:
    """Return the next offset and the log's identity for each partition that has one."""
    rows = await tx.fetch_all(
        "SELECT partition, next_offset, log_id FROM positions WHERE consumer_group = :group "
        "AND topic = :topic AND partition = ANY(CAST(:partitions AS int[]))",
        group=group,
        topic=topic,
        partitions=list(partitions),
    )
    return {row["partition"]: (row["next_offset"], row["log_id"]) for row in rows}


async def start_position(
    tx: Transaction, group: str, topic: str, moves: Mapping[int, int], *, log_id: str
) -> None:
    """Set positions without condition: a first assignment, or a log that is a new one."""
    await tx.execute_many(
        "INSERT INTO positions (consumer_group, topic, partition, next_offset, log_id, "
        "updated_at) VALUES (:group, :topic, :partition, :next, :log_id, :now) "
        "ON CONFLICT (consumer_group, topic, partition) DO UPDATE "
        "SET next_offset = :next, log_id = :log_id, updated_at = :now",
        [
            {
                "group": group,
                "topic": topic,
                "partition": partition,
                "next": offset,
                "log_id": log_id,
                "now": tx.now,
            }
            for partition, offset in moves.items()
        ],
    )


async def advance(
    tx: Transaction, group: str, topic: str, moves: Mapping[int, tuple[int, int]]
) -> None:
    """Move positions from an expected to a next offset, all or none.

    ``moves`` maps a partition to (expected, next). Raises `Fenced` when any stored position is
    not the expected one: somebody else owns the partition now, and this work is theirs.
    """
    partitions = sorted(moves)
    moved = await tx.execute(
        "UPDATE positions AS p SET next_offset = m.next, updated_at = :now "
        "FROM unnest(CAST(:partitions AS int[]), CAST(:expected AS bigint[]), "
        "CAST(:next AS bigint[])) AS m(partition, expected, next) "
        "WHERE p.consumer_group = :group AND p.topic = :topic "
        "AND p.partition = m.partition AND p.next_offset = m.expected",
        group=group,
        topic=topic,
        partitions=partitions,
        expected=[moves[p][0] for p in partitions],
        next=[moves[p][1] for p in partitions],
        now=tx.now,
    )
    if moved != len(partitions):
        raise Fenced(f"{group} lost {topic} {partitions}")
