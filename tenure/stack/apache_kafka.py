"""Apache Kafka, straight from its Maven jars, without Docker: one node, or a real cluster of three.

Needs Java 17 or newer, and Maven for the first start. Keeps its data in a folder. Nodes are
numbered from 1. A cluster acknowledges when a majority holds the record in memory, which is safe
against `kill -9` of any one node.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tenure.stack.broker import live_nodes
from tenure.stack.kafka_jars import find_jars, find_java
from tenure.stack.kafka_layout import Node, load_layout
from tenure.stack.locks import DataFolderLock
from tenure.stack.processes import ManagedProcess, ProcessSpec, run_tool

_READY_WITHIN = 120.0
_STOP_GRACE = 30.0
_JVM = [
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
]


class ApacheKafka:
    """A cluster of `nodes` brokers with its data and logs in `data_dir`.

    Ports and cluster id are kept there too. One process at a time may use `data_dir`.
    """

    def __init__(self, data_dir: Path, *, nodes: int = 1) -> None:
        self.data_dir = data_dir.absolute()
        self._lock = DataFolderLock(self.data_dir)
        self._layout = load_layout(self.data_dir / "cluster.json", nodes)
        self._processes: dict[int, ManagedProcess] = {}

    @property
    def bootstrap(self) -> str:
        """Addresses of all nodes. Final once `start` returned, and then the same for ever."""
        return self._layout.bootstrap

    @property
    def cluster_id(self) -> str:
        """The id that clients see; it lives as long as the data folder."""
        return self._layout.cluster_id

    def start(self) -> None:
        """Start every node that does not run; return when each takes part in the cluster.

        Raises `MissingProgramError`, `DataFolderBusyError` or `ProcessFailedError`.
        """
        self._lock.acquire()
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all nodes in good order; not running is fine."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: process.terminate(_STOP_GRACE), self._processes.values()))
        self._lock.release()

    def start_node(self, number: int, *, wait: bool = True) -> None:
        """Start node `number` if it does not run; with `wait`, return when it is in the cluster."""
        process = self.node(number)
        if not process.is_running:
            process.start(wait=wait)

    def kill(self, number: int) -> None:
        """SIGKILL node `number`."""
        self.node(number).kill()

    def pause(self, number: int) -> None:
        """SIGSTOP node `number`: connected and silent."""
        self.node(number).pause()

    def resume(self, number: int) -> None:
        """Undo `pause`."""
        self.node(number).resume()

    def node(self, number: int) -> ManagedProcess:
        """Return the process of node `number`, 1 to `nodes`. Raises `KeyError` before `start`."""
        return self._processes[number]

    def _start_all(self) -> None:
        if not self._processes:
            self._prepare()
        # All at once: none is ready before a majority runs.
        for node in self._layout.nodes:
            self.start_node(node.number, wait=False)
        for process in self._processes.values():
            process.wait_until_ready()

    def _prepare(self) -> None:
        java, jars = find_java(), find_jars()
        self._layout = self._layout.with_free_ports()
        self._layout.save(self.data_dir / "cluster.json")
        command = [java, *_JVM, "-cp", f"{jars}/*"]
        nodes = self._layout.nodes
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: self._format(command, node), nodes))
        self._processes = {node.number: self._process(command, node) for node in nodes}

    def _format(self, command: list[str], node: Node) -> None:
        """Write the settings and, once in the life of the node, prepare its log folder."""
        folder = self._folder(node)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "server.properties"
        config.write_text(self._layout.properties(node, folder / "log"), encoding="utf-8")
        if not (folder / "log" / "meta.properties").exists():
            tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted"]
            run_tool([*command, *tool, "-t", self.cluster_id, "-c", str(config)])

    def _process(self, command: list[str], node: Node) -> ManagedProcess:
        folder = self._folder(node)
        return ManagedProcess(
            ProcessSpec(
                name=f"Apache Kafka node {node.number}",
                command=[*command, "kafka.Kafka", str(folder / "server.properties")],
                log=folder / "kafka.log",
                ready=lambda _pid: node.number in live_nodes(node.port),
                ready_within=_READY_WITHIN,
            )
        )

    def _folder(self, node: Node) -> Path:
        return self.data_dir / f"node-{node.number}"
