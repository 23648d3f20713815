"""Accounts with their scores, as lists show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.db.transaction import Row, Transaction

_COLUMNS = (
    "a.account_id, a.segment, a.time_zone, a.last_active_at, s.score, s.band, s.coverage, "
    "s.at AS scored_at, s.profile, s.p_loss, s.changed_at"
)
_EVERYBODY = "accounts AS a LEFT JOIN current_scores AS s USING (account_id)"
_SCORED = "current_scores AS s JOIN accounts AS a USING (account_id)"
_CONDITIONS = {
    "band": "s.band = :band",
    "segment": "s.segment = :segment",
    "score_below": "s.score < :score_below",
    "score_from": "s.score >= :score_from",
    "coverage_below": "s.coverage < :coverage_below",
    "coverage_from": "s.coverage >= :coverage_from",
}
_ORDERS = {
    "account_id": ("{id}", "{id} > :account_id"),
    "-account_id": ("{id} DESC", "{id} < :account_id"),
    "score": ("s.score, {id}", "(s.score, {id}) > (:score, :account_id)"),
    "-score": ("s.score DESC, {id} DESC", "(s.score, {id}) < (:score, :account_id)"),
    "changed": (
        "s.changed_at, {id} DESC",
        "s.changed_at >= :changed_at AND (s.changed_at > :changed_at OR {id} < :account_id)",
    ),
    "-changed": (
        "s.changed_at DESC, {id}",
        "s.changed_at <= :changed_at AND (s.changed_at < :changed_at OR {id} > :account_id)",
    ),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts are listed, in which order, and after which sort key."""

    filters: Mapping[str, object]
    order: str
    after: Mapping[str, object] | None
    limit: int


async def listed(tx: Transaction, wanted: Wanted) -> Sequence[Row]:
    """Return accounts with their latest score.

    Whoever has no score is listed by account id alone. Only the conditions asked for are in the
    statement: with all of them, half of them idle, no index could be used.
    """
    is_everybody = not wanted.filters and wanted.order.endswith("account_id")
    account_id = "a.account_id" if is_everybody else "s.account_id"
    order, past = (part.format(id=account_id) for part in _ORDERS[wanted.order])
    conditions = [_CONDITIONS[name] for name in wanted.filters]
    params: dict[str, Any] = {**wanted.filters, "limit": wanted.limit}
    if wanted.after is not None:
        conditions.append(past)
        params.update(wanted.after)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return await tx.fetch_all(
        f"SELECT {_COLUMNS} FROM {_EVERYBODY if is_everybody else _SCORED} {where}"
        f"ORDER BY {order} LIMIT :limit",
        **params,
    )
