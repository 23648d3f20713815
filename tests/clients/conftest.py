"""Real SDKs as black boxes, and services that they meet in every condition."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tenure.stack.ports import free_port
from tenure.stack.processes import ManagedProcess, ProcessSpec
from tests.clients.gate import Gate
from tests.product import Product

HERE = Path(__file__).parent
NODE = HERE / "node"
CLIENTS = [
    f"{language}-{sdk}"
    for language in ("python", "node")
    for sdk in ("segment", "rudder", "posthog")
]
_WITHIN = 120


@dataclass
class Asked:
    """What a client is to send."""

    url: str
    key: str
    account: str
    ids: list[str]
    event: str = "report.exported"
    page: str = ""
    pad: int = 0
    gzip: bool = False
    flags: bool = False


@dataclass(frozen=True)
class Edge:
    """A health service of its own that only answers HTTP, behind a gate to the broker."""

    url: str
    gate: Gate

    def answered(self, status: int) -> int:
        """Return how many requests for ingest were answered like this."""
        found = 0
        for line in httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines():
            is_count = line.startswith("tenure_http_request_seconds_count")
            if is_count and f'status="{status}"' in line and 'route="/readyz"' not in line:
                found += int(float(line.rsplit(" ", 1)[1]))
        return found


@dataclass
class Crowd:
    """All clients, each in a process and with an account of its own, doing the same."""

    product: Product
    key: str
    asked: dict[str, Asked] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def send(self, url: str, *, meanwhile: Callable[[], None] = lambda: None, **how: Any) -> None:
        """Have every client send some events, and wait for all of them."""
        for client in CLIENTS:
            account, ids = f"{client}-{uuid4().hex[:8]}", [str(uuid4()) for _ in range(5)]
            given = {"key": self.key, "account": account, "ids": ids, **how}
            self.asked[client] = Asked(url=url, **given)
        self._run(meanwhile)

    def send_again(self) -> None:
        """Have every client send the same once more, as after a restart."""
        self._run(lambda: None)

    def counted(self, client: str, name: str | None = None) -> int:
        """Return how many of a client's events are counted."""
        asked = self.asked[client]
        sql = "SELECT coalesce(sum(n), 0) FROM usage_daily WHERE account_id = :account AND name = :name"
        return int(
            self.product.fetch_value("health", sql, account=asked.account, name=name or asked.event)
        )

    def _run(self, meanwhile: Callable[[], None]) -> None:
        with ThreadPoolExecutor(len(CLIENTS)) as pool:
            running = {c: pool.submit(_run_one, c, self.asked[c]) for c in CLIENTS}
            meanwhile()
            self.errors = {client: future.result() for client, future in running.items()}


def _run_one(client: str, asked: Asked) -> list[str]:
    language, _, sdk = client.partition("-")
    program = {
        "python": [sys.executable, str(HERE / "python" / "client.py"), sdk],
        "node": ["node", str(NODE / "client.mjs"), sdk],
    }[language]
    done = subprocess.run(  # noqa: S603 - our own programs
        program,
        input=json.dumps(asdict(asked)),
        capture_output=True,
        text=True,
        timeout=_WITHIN,
        check=False,
    )
    assert done.returncode == 0, f"{client}: {done.stdout}\n{done.stderr}"
    errors: list[str] = json.loads(done.stdout.splitlines()[-1])["errors"]
    return errors


@pytest.fixture(scope="session")
def node_clients() -> None:
    """The SDKs for Node, installed once into a folder that git ignores."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"the SDKs for Node need {' and '.join(missing)}: apt-get install nodejs npm")
    if not (NODE / "node_modules" / ".package-lock.json").exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=NODE, check=True, timeout=300)  # noqa: S603 - a fixed command


@pytest.fixture
def crowd(product: Product, node_clients: None) -> Crowd:
    return Crowd(product, product.key("usage:write", source="sdk").secret)


@pytest.fixture
def edge(product: Product) -> Iterator[Callable[..., Any]]:
    """Makes a health service of its own; its settings are given by name."""
    yield lambda **settings: _edge(product, settings)


@contextmanager
def _edge(product: Product, settings: Mapping[str, object]) -> Iterator[Edge]:
    port, gate = free_port(), Gate(product.stack.bootstrap)
    environment = {
        **product.stack.service_environment("health"),
        "TENURE_WORKERS": "false",
        "TENURE_KAFKA_BOOTSTRAP": gate.address,
        **{f"TENURE_{name.upper()}": str(value) for name, value in settings.items()},
    }
    url = f"http://127.0.0.1:{port}"
    process = ManagedProcess(
        ProcessSpec(
            name="edge",
            command=[sys.executable, "-m", "tenure", "serve", "health", "--port", str(port)],
            log=product.stack.plan.folder / "logs" / f"edge-{port}.log",
            env=environment,
            ready=lambda _pid: _lives(url),
            ready_within=60,
        )
    )
    process.start()
    try:
        yield Edge(url, gate)
    finally:
        process.terminate()
        gate.close()


def _lives(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
