"""A back-test in a few words and figures: what people decide by."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.health.domain.backtest.evaluation import Evaluation
from services.health.domain.backtest.findings import Backtest
from services.health.domain.backtest.samples import Figure

_BLIND = 0.5
"""The AUC of a coin."""


def headline(found: Backtest) -> Sequence[str]:
    """Return what the back-test says to a leader of customer success, best news or bad.

    It is about what would judge: the fitted model where it ranks better, else the expert weights.
    """
    judged = found.model if found.model and _is_better(found) else found.expert
    said = [*_catch(judged, found), *_time(judged), *_surprise(judged), *_model(found)]
    auc = judged.overall.auc
    if auc.low is not None and auc.low <= _BLIND:
        return ["This profile is not shown to rank better than chance.", *said]
    return said


def _is_better(found: Backtest) -> bool:
    return found.gain is not None and found.gain.low is not None and found.gain.low > 0


def summary(found: Backtest) -> Mapping[str, Any]:
    """Return the figures that are shown where a profile or a model is activated."""
    return {
        "headline": " ".join(headline(found)),
        "test_from": found.halves.test_from.isoformat(),
        "test_until": found.halves.test_until.isoformat(),
        "renewals": found.halves.test_renewals,
        "losses": found.halves.test_losses,
        "budget": found.plan.budget,
        "horizon_days": found.plan.horizon_days,
        "expert": _figures(found.expert),
        "model": _figures(found.model) if found.model else None,
        "model_gain_auc": _plain(found.gain) if found.gain else None,
        "no_model_because": found.no_model_because,
        "warnings": list(found.warnings),
    }


def _catch(judged: Evaluation, found: Backtest) -> Sequence[str]:
    overall = judged.overall
    if overall.precision.value is None or overall.base_rate.value is None:
        return [f"There are too few outcomes to say how good the flags are: {overall.auc.note}."]
    return [
        (
            f"Of 100 customers flagged, {_hundred(overall.precision.value)} left; "
            f"of 100 customers picked blindly, {_hundred(overall.base_rate.value)} did."
        ),
        (
            f"Flagging {found.plan.budget:.0%} of the customers each time found "
            f"{overall.recall.value or 0:.0%} of the losses."
        ),
    ]


def _time(judged: Evaluation) -> Sequence[str]:
    lead = judged.lead_time
    if lead.median.value is None:
        return [f"How early the warnings come cannot be said: {lead.median.note}."]
    return [
        (
            f"Of {lead.lost} lost renewals {lead.flagged} were flagged at some point, half of "
            f"those {lead.median.value:.0f} days or more before the renewal."
        )
    ]


def _surprise(judged: Evaluation) -> Sequence[str]:
    share = judged.surprises.share
    if share.value is None:
        return []
    return [
        f"{share.value:.0%} of the losses came as a surprise: 90 days before, nobody was warned."
    ]


def _model(found: Backtest) -> Sequence[str]:
    gain = found.gain
    if gain is None or gain.value is None or gain.low is None or gain.high is None:
        because = f": {found.no_model_because}" if found.no_model_because else ""
        return [f"Expert weights stay in force{because}."]
    if _is_better(found):
        return [f"The fitted model ranks better than the expert weights (AUC {gain.value:+.3f})."]
    if gain.high < 0:
        return [f"The fitted model ranks worse than the expert weights (AUC {gain.value:+.3f})."]
    return ["The fitted model ranks no better than the expert weights, as far as data can say."]


def _hundred(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.1f}"


def _figures(one: Evaluation) -> Mapping[str, Any]:
    figures = {
        "auc": one.overall.auc,
        "pr_auc": one.overall.pr_auc,
        "base_rate": one.overall.base_rate,
        "precision": one.overall.precision,
        "recall": one.overall.recall,
        "median_lead_days": one.lead_time.median,
        "surprises": one.surprises.share,
    }
    if one.truth:
        figures["brier_skill"] = one.truth.brier_skill
        figures["calibration_slope"] = one.truth.slope
    return {name: _plain(figure) for name, figure in figures.items()}


def _plain(figure: Figure) -> Mapping[str, Any]:
    plain = {"value": figure.value, "low": figure.low, "high": figure.high}
    return {**plain, "note": figure.note} if figure.note else plain
