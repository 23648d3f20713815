"""Daily usage of made-up customers, with drops whose day and size are known.

Counts are negative binomial with a weekday habit, a level that drifts, and a Christmas on which
everybody is quiet. Some accounts drop: at once, or over a ramp of two to four weeks. A drop
takes half of usage or more, up to all of it.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from services.health.domain.detector.state import Floats

FIRST = date(2024, 8, 5)  # a Monday
DAYS = 400
SEGMENTS = 10
ACCOUNTS_A_SEGMENT = 60
DROPPING_SHARE = 0.15
SPARSE_UNDER = 30.0
"""Events a week under which an account is called sparse."""

_CHRISTMAS = (138, 153)  # 21 December to 4 January
_LEAST, _MOST = 8, 440  # events a week
_DRIFT = 0.003
_SHARES = (0.5, 1.0)
_RAMP_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Drop:
    """A planted drop: which account, from which day, by which share, over how many days."""

    account: int
    day: int
    share: float
    ramp: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Accounts x days of counts, the peer group of each account, and the drops in them."""

    first: date
    counts: Floats
    groups: tuple[int, ...]
    drops: tuple[Drop, ...]
    christmas: tuple[int, int]


def generate(seed: int) -> Usage:
    """Return a year of usage of `SEGMENTS` segments."""
    random = np.random.default_rng(seed)
    accounts = SEGMENTS * ACCOUNTS_A_SEGMENT
    a_week = np.exp(random.uniform(np.log(_LEAST), np.log(_MOST), accounts))
    expected = (a_week / 7)[:, None] * _weekdays(random, accounts)
    drift = np.cumsum(random.normal(0, _DRIFT, (accounts, DAYS)), axis=1)
    expected = expected * np.exp(drift) * _christmas(random, accounts)
    drops = _drops(random, accounts)
    for drop in drops:
        expected[drop.account] *= _fall(drop)
    shape = random.uniform(0.7, 3.0, (accounts, 1))
    counts = random.poisson(expected * random.gamma(shape, 1 / shape, expected.shape))
    groups = tuple(int(n) for n in np.repeat(np.arange(SEGMENTS), ACCOUNTS_A_SEGMENT))
    return Usage(FIRST, counts.astype(np.float64), groups, drops, _CHRISTMAS)


def _weekdays(random: np.random.Generator, accounts: int) -> Floats:
    habit = np.array([1.15, 1.2, 1.2, 1.15, 1.0, 0.25, 0.2])
    own = habit * random.gamma(20, 1 / 20, (accounts, 7))
    own *= 7 / own.sum(axis=1, keepdims=True)
    return np.asarray(own[:, np.arange(DAYS) % 7])


def _christmas(random: np.random.Generator, accounts: int) -> Floats:
    quiet = np.ones((accounts, DAYS))
    quiet[:, slice(*_CHRISTMAS)] = random.uniform(0.2, 0.6, (accounts, 1))
    return quiet


def _drops(random: np.random.Generator, accounts: int) -> tuple[Drop, ...]:
    dropping = random.choice(accounts, int(accounts * DROPPING_SHARE), replace=False)
    return tuple(
        Drop(
            account=int(account),
            day=int(random.integers(_CHRISTMAS[1] + 28, DAYS - 42)),
            share=float(random.uniform(*_SHARES)),
            ramp=int(random.integers(14, 29)) if random.random() < _RAMP_SHARE else 0,
        )
        for account in dropping
    )


def _fall(drop: Drop) -> Floats:
    since = np.arange(DAYS) - drop.day
    reached = np.clip((since + 1) / max(1, drop.ramp), 0, 1)
    return np.where(since >= 0, 1 - drop.share * reached, 1.0)
