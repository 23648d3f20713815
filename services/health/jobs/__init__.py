"""The door of time: days are sealed, scores refreshed and back-tests run."""

from datetime import timedelta

from services.health.jobs import upkeep
from services.health.jobs.backtests import run_backtests
from services.health.jobs.sealing import Sealer
from shared.db.jobs import Job

JOBS = (
    Job("seal_days", timedelta(milliseconds=250), Sealer().run),
    Job("calibrate_alarms", timedelta(minutes=1), upkeep.calibrate_alarms),
    Job("merge_usage_ids", timedelta(seconds=2), upkeep.merge_usage_ids),
    Job("forget_intake", timedelta(minutes=10), upkeep.forget_intake),
    Job("keep_usage_days", timedelta(minutes=10), upkeep.keep_usage_days),
    # The busier it is, the longer a score waits: counting goes first.
    Job("refresh_scores", timedelta(milliseconds=250), upkeep.refresh_scores, share=0.4),
    Job("look_again", timedelta(seconds=1), upkeep.look_again),
    Job("refresh_stale_scores", timedelta(seconds=5), upkeep.refresh_stale_scores),
    Job("compare_accounts", timedelta(minutes=10), upkeep.compare_accounts),
    Job("thin_scores", timedelta(minutes=10), upkeep.thin_scores),
    Job("roll_out_profiles", timedelta(seconds=1), upkeep.roll_out_profiles),
    Job("fill_metrics", timedelta(seconds=1), upkeep.fill_metrics),
    Job("count_metrics", timedelta(seconds=30), upkeep.count_metrics),
    Job("run_backtests", timedelta(seconds=1), run_backtests),
)
