"""Harm to the broker, whichever it is."""

from tenure.stack.apache_kafka import ApacheKafka
from tenure.stack.embedded_broker import EmbeddedBroker
from tests.faults.harness.scene import Scene


def forgets(scene: Scene) -> bool:
    """Tell whether the broker loses its log when it dies."""
    return isinstance(scene.stack.broker, EmbeddedBroker)


def pause(scene: Scene) -> None:
    """Make it silent: connected, and never answering."""
    broker = scene.stack.broker
    if isinstance(broker, ApacheKafka):
        broker.pause(1)
    elif isinstance(broker, EmbeddedBroker):
        broker.process.pause()


def resume(scene: Scene) -> None:
    """Let it answer again."""
    broker = scene.stack.broker
    if isinstance(broker, ApacheKafka):
        broker.resume(1)
    elif isinstance(broker, EmbeddedBroker):
        broker.process.resume()


def kill(scene: Scene) -> None:
    """Kill it."""
    broker = scene.stack.broker
    if isinstance(broker, ApacheKafka):
        broker.kill(1)
    elif isinstance(broker, EmbeddedBroker):
        broker.kill()


def start_again(scene: Scene) -> None:
    """Start it again; one that forgets gets its topics again, as `tenure up` does it."""
    broker = scene.stack.broker
    if isinstance(broker, ApacheKafka):
        broker.start_node(1)
    elif isinstance(broker, EmbeddedBroker):
        scene.stack.restart_broker()
