"""Real SDKs as black boxes, each in a process and with an account of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import stacks
from tests.clients.running_health import RunningHealth, running_health

HERE = Path(__file__).parent
NODE = HERE / "node"
CLIENTS = [
    f"{language}-{sdk}"
    for language in ("python", "node")
    for sdk in ("segment", "rudder", "posthog")
]
_WITHIN = 120
_COUNTED = (
    "SELECT coalesce(sum(n), 0) FROM usage_daily WHERE account_id = :account AND name = :name"
)


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


@dataclass
class Crowd:
    """All clients, doing the same at the same time."""

    health: RunningHealth
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
        name = name or asked.event
        return int(self.health.fetch_value(_COUNTED, account=asked.account, name=name))

    def have_counted(self, events: int, name: str | None = None) -> bool:
        """Tell whether as many events are counted of every client."""
        return all(self.counted(client, name) == events for client in CLIENTS)

    def told(self, what: str) -> set[str]:
        """Return the clients that said so."""
        return {client for client, errors in self.errors.items() if what in " ".join(errors)}

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


@pytest.fixture(scope="session")
def health(
    stack: stacks.Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHealth]:
    with running_health(stack, tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.fixture
def crowd(health: RunningHealth, node_clients: None) -> Crowd:
    return Crowd(health, health.key())
