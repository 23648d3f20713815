"""Who is who in an Apache Kafka cluster on one machine: ids, ports, folders and settings."""

import base64
import json
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tenure.stack.ports import LOOPBACK, free_port, is_free


@dataclass(frozen=True)
class Node:
    """One broker that is a controller too; `number` counts from 1 and is its `node.id`."""

    number: int
    port: int
    controller_port: int

    @property
    def ports_are_free(self) -> bool:
        """Whether it could listen now."""
        return is_free(self.port) and is_free(self.controller_port)


@dataclass(frozen=True)
class Layout:
    """The cluster id and the nodes, kept in the data folder so that a restart finds its own."""

    cluster_id: str
    nodes: tuple[Node, ...]

    @property
    def bootstrap(self) -> str:
        """Addresses of all nodes for clients."""
        return ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)

    def with_free_ports(self) -> "Layout":
        """Replace ports that somebody else took while the cluster was down."""
        nodes = tuple(
            node if node.ports_are_free else _new_node(node.number) for node in self.nodes
        )
        return replace(self, nodes=nodes)

    def save(self, file: Path) -> None:
        """Write it as JSON, all or nothing."""
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2), encoding="ascii")
        draft.replace(file)

    def properties(self, node: Node, folder: Path) -> str:
        """Return the `server.properties` of a node with its log in `folder`."""
        settings = {**_STATIC, **self._replication(), **self._addresses(node)}
        settings["log.dirs"] = str(folder)
        return "".join(f"{name}={value}\n" for name, value in sorted(settings.items()))

    def _addresses(self, node: Node) -> dict[str, str]:
        voters = [f"{each.number}@{LOOPBACK}:{each.controller_port}" for each in self.nodes]
        broker = f"BROKER://{LOOPBACK}:{node.port}"
        return {
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(voters),
            "listeners": f"{broker},CONTROLLER://{LOOPBACK}:{node.controller_port}",
            "advertised.listeners": broker,
        }

    def _replication(self) -> dict[str, str]:
        """Every topic on every node; with three nodes one may be down and writes go on."""
        factor = str(len(self.nodes))
        in_sync = str(len(self.nodes) // 2 + 1)
        return {
            "default.replication.factor": factor,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": factor,
            "share.coordinator.state.topic.replication.factor": factor,
            "share.coordinator.state.topic.min.isr": in_sync,
            "transaction.state.log.replication.factor": factor,
            "transaction.state.log.min.isr": in_sync,
        }


_STATIC = {
    "process.roles": "broker,controller",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # A few partitions are made within a second, the default of 50 is not.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    # The default of 128 MB is a third of our heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
    # How long a killed node is missed, and how long its successor waits to be let in. The default
    # of 9 s only makes fault tests slow.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def load_layout(file: Path, nodes: int) -> Layout:
    """Return the layout in `file`, or a new one for `nodes` nodes that is not yet saved.

    Raises `ValueError` when the file is of a cluster of another size.
    """
    if not file.exists():
        return Layout(_new_cluster_id(), tuple(_new_node(1 + index) for index in range(nodes)))
    data = json.loads(file.read_text(encoding="ascii"))
    known = tuple(Node(**node) for node in data["nodes"])
    if len(known) != nodes:
        raise ValueError(f"{file.parent} holds a cluster of {len(known)} nodes, not {nodes}")
    return Layout(data["cluster_id"], known)


def _new_node(number: int) -> Node:
    return Node(number, free_port(), free_port())


def _new_cluster_id() -> str:
    """Return 16 random bytes in Kafka's spelling, which for its tools must not begin with `-`."""
    identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return identity if not identity.startswith("-") else _new_cluster_id()
