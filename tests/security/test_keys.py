"""A write key is shipped inside products: it opens ingest, and nothing else at all."""

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from shared.auth.scopes import SCOPES
from shared.kernel.clock import FixedClock
from shared.web.probes import PATHS
from tenure.catalog import SERVICES
from tests.conftest import OpenClient, make_app

# The limits are no secret, and the SDKs of PostHog are told that there are no flags.
OPEN = {*PATHS, "/openapi.json", "/docs", "/docs/oauth2-redirect"}
NO_SECRETS = ("/v1/limits", "/flags", "/decide", "/flags/definitions", "/array/{token}/config")
NO_SECRETS += ("/api/feature_flag/local_evaluation",)
OPEN |= {f"{path}{end}" for path in NO_SECRETS for end in ("", "/")}
# Whoever calls these signs the body instead: tests/integration/health/test_signal_webhooks.py.
SIGNED = {"/api/v1/signal-webhooks/{mapping}"}
DRY_RUNS = {"/api/v1/profiles/validate"}
"""What is sent with POST and changes nothing."""
INGEST = ("/v1/", "/batch", "/i/", "/capture", "/e", "/sourceConfig")


def routes_of(service: str) -> list[tuple[str, str]]:
    app = make_app(service, FixedClock.__new__(FixedClock), workers=False)
    found = []
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.path not in OPEN | SIGNED:
            found += [(method, route.path) for method in sorted(route.original_route.methods)]
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_a_write_key_is_refused_by_every_route_that_is_not_ingest(
    open_client: OpenClient, service: str
) -> None:
    client = await open_client(service, ["usage:write"])
    routes = [each for each in routes_of(service) if not each[1].startswith(INGEST)]
    assert routes
    for method, path in routes:
        answer = await client.request(method, path.replace("{", "").replace("}", ""))
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), (method, path)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_route_asks_for_a_key(open_client: OpenClient, service: str) -> None:
    client = await open_client(service)
    for method, path in routes_of(service):
        url = path.replace("{", "").replace("}", "")
        for wrong in ({"content": b"{}"}, {"content": b"{"}, {"params": {"unheard": "1"}}):
            answer = await client.request(method, url, **wrong)
            wanted = {400, 401} if path.startswith(INGEST) else {401}
            assert answer.status_code in wanted, (method, path, answer.text)


@pytest.mark.parametrize("service", SERVICES)
async def test_no_other_scope_opens_a_service(open_client: OpenClient, service: str) -> None:
    others = sorted(s for s in SCOPES if not s.startswith((service, "admin", "usage")))
    client = await open_client(service, others)
    for method, path in routes_of(service):
        answer = await client.request(method, path.replace("{", "").replace("}", ""), content=b"{}")
        wanted = {400, 401} if path.startswith(INGEST) else {403}
        assert answer.status_code in wanted, (method, path, answer.text)


async def test_a_key_that_reads_does_not_write(open_client: OpenClient) -> None:
    for service in SERVICES:
        client = await open_client(service, [f"{service}:read"])
        for method, path in routes_of(service):
            if method == "GET" or path.startswith(INGEST) or path in DRY_RUNS:
                continue
            answer = await client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 403, (method, path)
