import asyncio

import pytest

from tests.unit.shared.web.fakes import ClientMaker


async def test_ready_when_every_check_says_so(client_of: ClientMaker) -> None:
    async def fine() -> None:
        return None

    answer = await client_of(readiness={"database": fine}).get("/readyz")

    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "checks": {"database": "ok"}},
    )


async def test_not_ready_says_what_is_missing_and_leaks_nothing(client_of: ClientMaker) -> None:
    async def fine() -> None:
        return None

    async def behind() -> str:
        return "migration health_0003 is not applied"

    async def broken() -> None:
        raise OSError("postgresql://tenure:hunter2@db")

    readiness = {"broker": fine, "migrations": behind, "database": broken}

    answer = await client_of(readiness=readiness).get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "broker": "ok",
        "migrations": "migration health_0003 is not applied",
        "database": "failed: OSError",
    }


async def test_a_check_that_hangs_does_not_hang_the_probe(
    client_of: ClientMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.web.probes._LONGEST_SECONDS", 0.01)

    async def hangs() -> None:
        await asyncio.sleep(60)

    answer = await client_of(readiness={"broker": hangs}).get("/readyz")

    assert answer.json()["checks"] == {"broker": "no answer within 0 s"}


async def test_alive_and_measured_without_a_key(client_of: ClientMaker) -> None:
    client = client_of(key=None)

    assert (await client.get("/livez")).json() == {"status": "alive"}
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "tenure_http_request_seconds_bucket" in metrics.text
