"""Probes for orchestrators and Prometheus; outside of the API and its documentation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.observability.logging import get_logger
from shared.web.routing import ForeignRoute

Check = Callable[[], Awaitable[str | None]]
"""Returns None when all is well, else what is missing, in words."""

PATHS = frozenset({"/livez", "/readyz", "/metrics"})
_LONGEST_SECONDS = 2.0
_log = get_logger(__name__)


def probes(readiness: Mapping[str, Check]) -> APIRouter:
    """Return ``/livez``, ``/readyz`` (says what is missing) and ``/metrics``."""
    router = APIRouter(include_in_schema=False, route_class=ForeignRoute)

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        return _report(await _missing(readiness), readiness)

    @router.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _missing(readiness: Mapping[str, Check]) -> dict[str, str]:
    answers = await asyncio.gather(*(_ask(name, check) for name, check in readiness.items()))
    return {name: answer for name, answer in zip(readiness, answers, strict=True) if answer}


async def _ask(name: str, check: Check) -> str | None:
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {_LONGEST_SECONDS:.0f} s"
    except Exception as error:  # noqa: BLE001 - whatever a check raises, the answer is "not ready"
        _log.warning("readiness_check_failed", check=name, error=repr(error))
        return f"failed: {type(error).__name__}"


def _report(missing: Mapping[str, str], readiness: Mapping[str, Check]) -> JSONResponse:
    body: dict[str, Any] = {
        "status": "not_ready" if missing else "ready",
        "checks": {name: missing.get(name, "ok") for name in readiness},
    }
    headers = {"Retry-After": "2"} if missing else None
    return JSONResponse(body, status_code=503 if missing else 200, headers=headers)
