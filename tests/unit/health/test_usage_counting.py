"""Adding up a batch: local days, what is left out, sums, and the filter over past ids."""

from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any

from services.health.domain.usage.bloom import GrowingFilter, KeyFilter, bits_of, words_of
from services.health.domain.usage.counting import (
    Amount,
    Arrivals,
    amounts_of,
    count,
    event_key,
    keys_of,
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
        made.accounts.append(account)
        made.names.append(name)
        made.users.append(user)
        made.times.append(time)
        made.last[account] = max(time, made.last.get(account, time))
        made.received[account] = NOON
    return made


def suspects(filled: KeyFilter | GrowingFilter, keys: list[bytes]) -> Any:
    words = words_of(keys)
    return filled.may_hold(words, bits_of(words))


def key(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def test_events_left_out_add_nothing_anywhere() -> None:
    batch = arrivals(
        ("1", "acme", "login", "ann", NOON),
        ("2", "acme", "login", "bob", NOON),
        ("3", "globex", "login", "cid", NOON),
    )
    batch.amounts = [Amount(0, "seats", 2.0), Amount(1, "seats", 3.0)]
    counts = count(batch, {}, {1, 2})
    day = NOON.date()
    assert counts.events == {("acme", day, "login"): 1}
    assert counts.users == {("acme", day, "ann"): 1}
    assert counts.sums == {("acme", day, "login", "seats"): (2.0, 1)}
    assert set(counts.accounts) == {"acme"}


def test_an_event_without_a_user_counts_as_an_event_only() -> None:
    counts = count(arrivals(("1", "acme", "login", None, NOON)), {"acme": "Asia/Tokyo"})
    assert counts.events == {("acme", date(2026, 3, 2), "login"): 1}
    assert not counts.users


def test_only_finite_numbers_are_added_up() -> None:
    properties = {"a": 1, "b": 2.5, "c": True, "d": "3", "e": float("inf"), "f": 10**400}
    found = list(amounts_of(properties, frozenset("abcdefg"), 7))
    assert found == [Amount(7, "a", 1.0), Amount(7, "b", 2.5)]


def test_a_key_is_the_same_alone_and_in_a_batch() -> None:
    assert keys_of("/shop", ["a", "b"]) == [event_key("/shop", x).bytes for x in "ab"]
    assert event_key("/sho", "pa") != event_key("/shop", "a")


def test_repeated_events_are_found_at_their_later_places() -> None:
    batch = arrivals(*[(each, "acme", "login", "ann", NOON) for each in "abacb"])
    assert batch.repeated() == {2, 4}


def test_a_filter_never_denies_what_was_added_and_seldom_suspects_the_rest() -> None:
    added = [key(n) for n in range(20_000)]
    others = [key(n) for n in range(20_000, 40_000)]
    filled = KeyFilter(len(added))
    for at in range(0, len(added), 3_000):
        filled.add(words_of(added[at : at + 3_000]))
    assert suspects(filled, added).all()
    assert suspects(filled, others).mean() < 0.01


def test_an_empty_filter_suspects_nothing() -> None:
    assert not suspects(KeyFilter(0), [key(1)]).any()


def test_a_growing_filter_keeps_what_was_added_before_it_grew() -> None:
    filled, added = GrowingFilter(), [key(n) for n in range(70_000)]
    assert not suspects(filled, added[:10]).any()
    for start in range(0, len(added), 35_000):
        some = added[start : start + 35_000]
        needed, before = filled.bytes_to_hold(len(some)), filled.size
        filled.make_room(len(some))
        filled.add(words_of(some))
        assert filled.size == before + needed
    assert suspects(filled, added).all()
    assert suspects(filled, [key(n) for n in range(70_000, 80_000)]).mean() < 0.02


def test_a_run_is_sorted_and_every_key_lies_in_its_bucket() -> None:
    keys = [key(n) for n in range(1_000)]
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
