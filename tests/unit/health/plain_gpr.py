"""The detector's formulas, written down one account and one day at a time, to compare with."""

from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from scipy.special import gammainc


def lam(half_life: float) -> float:
    return float(0.5 ** (1 / half_life))


@dataclass
class Account:
    n: float = 0.0
    d: float = 0.0
    wn: list[float] = field(default_factory=lambda: [0.0] * 7)
    we: list[float] = field(default_factory=lambda: [0.0] * 7)
    vn: float = 2.5
    vd: float = 10.0
    a: float = 0.0
    b: float = 0.0
    last_alarm: int = -(10**6)
    alarms: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)


def run(daily: list[list[int]], segments: list[str], *, alarm_at: float) -> list[Account]:
    accounts = [Account() for _ in daily]
    raw = [1.0] * 7
    for t in range(len(daily[0])):
        shape = [share / (sum(raw) / 7) for share in raw]
        normals = [normal(account, shape, t % 7) for account in accounts]
        upper = lower = 0.0
        for name in sorted(set(segments)):
            here = [i for i, segment in enumerate(segments) if segment == name]
            g = peer_factor([(daily[i][t], normals[i]) for i in here], t)
            for i in here:
                learned, level = close_day(accounts[i], daily[i][t], normals[i], (t, g, alarm_at))
                upper += learned / (1 + level)
                lower += level * g / (1 + level)
        raw[t % 7] = 0.9 * raw[t % 7] + 0.1 * upper / lower
    return accounts


def normal(account: Account, shape: list[float], weekday: int) -> dict[str, float]:
    level = (account.n + 0.02) / (account.d + 0.02)
    c = 4 * max(level, 0.05)
    f = [(account.wn[d] + c * shape[d]) / (account.we[d] + c) for d in range(7)]
    factor = f[weekday] / (sum(f) / 7)
    phi = min(max(account.vn / account.vd, 1 / 3), 1 / 0.7)
    return {"level": level, "f": factor, "base": level * factor, "phi": phi}


def peer_factor(peers: list[tuple[int, dict[str, float]]], t: int) -> float:
    if t < 14 or len(peers) < 5:
        return 1.0
    weights = [1 / (1 + n["phi"] * n["base"]) for _, n in peers]
    s = sum(w * min(y, 3 * n["base"] + 3) for w, (y, n) in zip(weights, peers, strict=True))
    b = sum(w * n["base"] for w, (_, n) in zip(weights, peers, strict=True))
    return min(1.0, (5 + s) / (5 + b))


def close_day(
    account: Account, y: int, n: dict[str, float], today: tuple[int, float, float]
) -> tuple[float, float]:
    t, g, alarm_at = today
    k = 1 / n["phi"]
    mu = max(n["base"] * g, 1e-6)
    cap = mu + 3 * sqrt(mu + mu**2 / k) + 1
    yw = min(y, cap) if t >= 14 else float(y)
    judge(account, min(y, cap), mu, (k, t, alarm_at))
    account.n = lam(42) * account.n + yw
    account.d = lam(42) * account.d + n["f"] * g
    account.wn[t % 7] = lam(6) * account.wn[t % 7] + yw
    account.we[t % 7] = lam(6) * account.we[t % 7] + n["level"] * g
    if t >= 21:
        e = min(max((yw - mu) ** 2 - mu, -mu), 9 * mu**2 + 3 * mu)
        account.vd = lam(60) * account.vd + mu**2
        account.vn = max(lam(60) * account.vn + e, 0.02 * account.vd)
    return yw, n["level"]


def judge(account: Account, capped: float, mu: float, today: tuple[float, int, float]) -> None:
    k, t, alarm_at = today
    tau = 1 / (1 + mu / k) if t >= 28 else 0.0
    account.a = lam(6) * account.a + tau * capped
    account.b = lam(6) * account.b + tau * mu
    probability = float(gammainc(2 + account.a, 0.7 * (2 + account.b)))
    account.ratios.append((2 + account.a) / (2 + account.b))
    account.probabilities.append(probability)
    if probability >= alarm_at and t >= 42 and t - account.last_alarm >= 28:
        account.last_alarm = t
        account.alarms.append(t)


def expected(golden: dict[str, Any]) -> list[Account]:
    accounts = golden["accounts"]
    return run([a["daily"] for a in accounts], [a["segment"] for a in accounts], alarm_at=0.69)
