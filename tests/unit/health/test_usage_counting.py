"""Adding up a batch: local days, what is left out, sums, and the filter over past ids."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from services.health.domain.usage.arrivals import (
    KEY_BYTES,
    Amount,
    Arrivals,
    Came,
    amounts_of,
    event_key,
    keys_of,
)
from services.health.domain.usage.bloom import GrowingFilter, KeyFilter, asked
from services.health.domain.usage.counting import (
    Cells,
    Counts,
    Live,
    Standing,
    count,
    standings,
    who_did,
)
from services.health.domain.usage.known_ids import (
    KnownIds,
    Run,
    buckets_for,
    sort_into_buckets,
    split,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def arrivals(*rows: tuple[str, str, str, str | None, datetime]) -> Arrivals:
    made = Arrivals()
    for event_id, account, name, user, time in rows:
        made.keys += keys_of("/shop", [event_id])
        made.accounts.extend([account])
        made.names.extend([name])
        made.users.extend([user])
        made.times.append(time)
        made.came.append(Came(len(made), NOON + timedelta(seconds=len(made))))
    return made


def counted(batch: Arrivals, zones: Mapping[str, str], skipped: Collection[int] = ()) -> Counts:
    wanted = np.array([place not in skipped for place in range(len(batch))])
    return count(batch.closed(), zones, wanted)


def told(cells: Cells) -> dict[tuple[str, date, str], int]:
    """As a mapping; that rows come in the order of their keys is checked on the way."""
    rows = list(zip(cells.accounts, cells.days, cells.labels, strict=True))
    assert rows == sorted(set(rows))
    return dict(zip(rows, cells.events, strict=True))


def suspects(filled: KeyFilter | GrowingFilter, keys: list[bytes]) -> list[int]:
    return list(filled.suspects(asked(keys)))


def random_keys(count: int) -> list[bytes]:
    """Different keys, the same in every run; drawn together, for one by one takes longer."""
    return split(np.random.default_rng(11).bytes(KEY_BYTES * count))


def test_events_left_out_add_nothing_anywhere() -> None:
    batch = arrivals(
        ("1", "acme", "login", "ann", NOON),
        ("2", "acme", "login", "bob", NOON),
        ("3", "globex", "login", "cid", NOON),
    )
    batch.amounts = [Amount(0, "seats", 2.0), Amount(1, "seats", 3.0)]
    counts = counted(batch, {}, {1, 2})
    day = NOON.date()
    assert told(counts.events) == {("acme", day, "login"): 1}
    assert told(counts.users) == {("acme", day, "ann"): 1}
    assert counts.sums == {("acme", day, "login", "seats"): (2.0, 1)}
    assert counts.first_days == {"acme": day}


def test_an_event_without_a_user_counts_as_an_event_only() -> None:
    counts = counted(arrivals(("1", "acme", "login", None, NOON)), {"acme": "Asia/Tokyo"})
    assert told(counts.events) == {("acme", date(2026, 3, 2), "login"): 1}
    assert told(counts.users) == {}


def test_a_batch_of_many_is_counted_as_one_by_one_would_be() -> None:
    draw = np.random.default_rng(7)
    zones = {"b": "Asia/Tokyo", "c": "America/St_Johns", "d": "Europe/Berlin"}
    # Over two midnights of each zone, one of which moves its clock.
    begins = datetime(2026, 3, 28, 12, tzinfo=UTC)
    rows = [
        (
            str(number),
            "abcd"[draw.integers(4)],
            ("login", "export", "export.csv")[draw.integers(3)],
            ("ann", "bob", None)[draw.integers(3)],
            begins + timedelta(minutes=int(draw.integers(2_900))),
        )
        for number in range(3_000)
    ]
    skipped = set(draw.choice(3_000, 200, replace=False).tolist())
    counts = counted(arrivals(*rows), zones, skipped)
    events: Counter[tuple[str, date, str]] = Counter()
    users: Counter[tuple[str, date, str]] = Counter()
    for place, (_, account, name, user, time) in enumerate(rows):
        if place not in skipped:
            day = time.astimezone(ZoneInfo(zones.get(account, "UTC"))).date()
            events[account, day, name] += 1
            if user is not None:
                users[account, day, user] += 1
    assert told(counts.events) == events
    assert told(counts.users) == users
    assert counts.first_days == {
        account: min(day for one, day, _ in events if one == account) for account in "abcd"
    }


def test_who_did_something_is_told_once() -> None:
    batch = arrivals(
        ("1", "acme", "export", "ann", NOON),
        ("2", "acme", "export", "ann", NOON),
        ("3", "acme", "export", None, NOON),
        ("4", "acme", "login", "bob", NOON),
        ("5", "globex", "export", "cid", NOON),
        ("6", "globex", "export", "dan", NOON),
    ).closed()
    counted = np.array([True] * 5 + [False])
    assert who_did(batch, "export", counted) == {("acme", "ann"), ("globex", "cid")}
    assert who_did(batch, "exp", counted) == set()
    assert who_did(batch, "zzz", counted) == set()


def test_where_a_batch_leaves_its_accounts() -> None:
    later = NOON + timedelta(hours=1)
    batch = arrivals(
        ("1", "acme", "login", "ann", NOON),
        ("2", "globex", "login", "bob", NOON),
        ("3", "acme", "login", "ann", later),
        ("4", "acme", "login", "ann", later),
        ("5", "initech", "login", "ann", NOON),
    )
    batch.past = {2, 3, 4}
    came, moments = batch.came, [each.received_at for each in batch.came]
    assert standings(batch.closed()) == {
        "acme": Standing(later, moments[3], is_backfilled=True, live=Live(NOON, came[0])),
        "globex": Standing(NOON, moments[1], is_backfilled=False, live=Live(NOON, came[1])),
        "initech": Standing(NOON, moments[4], is_backfilled=True, live=None),
    }


def test_only_finite_numbers_are_added_up() -> None:
    properties = {
        "a": 1,
        "b": 2.5,
        "c": True,
        "d": "3",
        "e": float("inf"),
        "f": 10**400,
        "g": 1.7e308,
    }
    found = list(amounts_of(properties, frozenset("abcdefg"), 7))
    assert found == [Amount(7, "a", 1.0), Amount(7, "b", 2.5)]


def test_a_key_is_the_same_alone_and_in_a_batch() -> None:
    assert keys_of("/shop", ["a", "b"]) == [event_key("/shop", x).bytes for x in "ab"]
    assert event_key("/sho", "pa") != event_key("/shop", "a")


def test_an_event_counts_where_it_stands_first() -> None:
    batch = arrivals(*[(each, "acme", "login", "ann", NOON) for each in "abacb"])
    assert batch.first_places() == dict(zip(keys_of("/shop", "abc"), (0, 1, 3), strict=True))


def test_a_filter_never_denies_what_was_added_and_seldom_suspects_the_rest() -> None:
    keys = random_keys(40_000)
    added, others = keys[:20_000], keys[20_000:]
    filled = KeyFilter(len(added))
    for at in range(0, len(added), 3_000):
        filled.add(asked(added[at : at + 3_000]))
    assert suspects(filled, added) == list(range(len(added)))
    assert len(suspects(filled, others)) < 0.0005 * len(others)


def test_an_empty_filter_suspects_nothing() -> None:
    assert suspects(KeyFilter(0), random_keys(1)) == []


def test_a_growing_filter_keeps_what_was_added_before_it_grew() -> None:
    filled, keys = GrowingFilter(), random_keys(80_000)
    added, others = keys[:70_000], keys[70_000:]
    assert suspects(filled, added[:10]) == []
    for start in range(0, len(added), 35_000):
        filled.grow(35_000)
        filled.add(asked(added[start : start + 35_000]))
    assert (filled.held, filled.free) == (70_000, 0)
    assert suspects(filled, added) == list(range(len(added)))
    assert len(suspects(filled, others)) < 10


def test_a_day_is_asked_at_once_and_not_part_by_part() -> None:
    memory, monday = KnownIds(), NOON.date()
    for number in range(12):
        memory.learn_run(Run(number + 1, monday, 0, 0, 10, 100_000))
    monday_filter = read(memory)
    memory.learn_run(Run(13, monday + timedelta(1), 0, 0, 10, 100_000))
    tuesday_filter = read(memory)
    assert (monday_filter.size, tuesday_filter.size) == (3_600_000, 3_600_000)
    assert (monday_filter.held, monday_filter.free) == (1_200_000, 0)
    assert (tuesday_filter.held, tuesday_filter.free) == (100_000, 1_100_000)


def test_a_filter_has_only_the_room_it_needs_when_memory_is_short() -> None:
    memory, monday = KnownIds(most_bytes=3_010_000), NOON.date()
    for number in range(12):
        memory.learn_run(Run(number + 1, monday, 0, 0, 10, 100_000))
    assert 2_999_000 < read(memory).size < 3_010_000
    assert (memory.look_ups, memory.unread) == (2, {})


def test_a_day_that_is_past_before_its_run_is_read_leaves_nothing() -> None:
    memory, monday = KnownIds(), NOON.date()
    memory.learn_run(Run(1, monday, 0, 0, 10, 100_000))
    run = memory.next_to_read()
    assert run is not None
    memory.forget_before(monday + timedelta(1))
    memory.begin_reading(run).add(asked(random_keys(1)))
    memory.end_reading(run)
    assert memory.suspects(random_keys(1)) == (set(), [])
    memory.forget_before(monday + timedelta(2))
    assert memory.bytes_used == 0


def read(memory: KnownIds) -> GrowingFilter:
    """Read runs of one day as long as there is memory for them."""
    while (run := memory.next_to_read()) is not None:
        filled = memory.begin_reading(run)
        filled.add(asked([bytes(KEY_BYTES * run.ids)]))
        memory.end_reading(run)
    return filled


def test_a_run_is_sorted_and_every_key_lies_in_its_bucket() -> None:
    keys = random_keys(1_000)
    buckets = sort_into_buckets([b"".join(keys[:300]), b"".join(keys[300:])])
    assert split(b"".join(each for _, each in buckets)) == sorted(keys)
    assert [number for number, _ in buckets] == sorted({number for number, _ in buckets})
    run = Run(1, NOON.date(), 1, 2, buckets_for(len(keys)), len(keys))
    memory = KnownIds()
    memory.learn_run(run)
    known, probes = memory.suspects(keys)
    assert known == set()
    assert [probe.key for probe in probes] == keys
    within = dict(buckets)
    assert all(probe.key in split(within[probe.bucket]) for probe in probes)


def test_a_run_that_two_in_flight_read_of_is_learned_once() -> None:
    memory, run = KnownIds(), Run(1, NOON.date(), 1, 2, 1, 10)
    memory.learn_run(run)
    memory.begin_reading(run)
    memory.end_reading(run)
    memory.learn_run(run)
    assert memory.unread == {}
    assert memory.next_to_read() is None
