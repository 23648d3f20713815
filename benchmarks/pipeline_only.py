"""Health as a process that counts usage and does nothing else: no scores, no sealing, no listeners.

Beside `tenure serve health`, so that the pipeline itself can be compared with rivals that only
count. Run with the environment of a service.
"""

from dataclasses import replace

import uvicorn

from services.health.main import SERVICE
from services.health.settings import Settings
from shared.web.service import build_service

if __name__ == "__main__":
    settings = Settings()
    app = build_service(replace(SERVICE, jobs=(), listeners=()), settings)
    uvicorn.run(app, port=settings.port, loop="uvloop", log_config=None, access_log=False)
