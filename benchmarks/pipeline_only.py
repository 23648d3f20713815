"""Health as a process that counts usage and keeps its ids: no scores, no sealing, no listeners.

Beside `tenure serve health`, so that the pipeline itself can be compared with rivals that only
count. Run with the environment of a service.
"""

from dataclasses import replace

import uvicorn

from services.health.jobs.upkeep import merge_usage_ids
from services.health.main import SERVICE
from services.health.settings import Settings
from shared.web.service import build_service
from tenure.cli.serve import spare_the_collector

if __name__ == "__main__":
    settings = Settings()
    jobs = tuple(job for job in SERVICE.jobs if job.run is merge_usage_ids)
    app = build_service(replace(SERVICE, jobs=jobs, listeners=()), settings)
    spare_the_collector()
    uvicorn.run(app, port=settings.port, loop="uvloop", log_config=None, access_log=False)
