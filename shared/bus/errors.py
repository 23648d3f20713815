"""What can be wrong with a broker, for those who do not know the Kafka client."""

from aiokafka.errors import KafkaError

BROKER_ERRORS: tuple[type[Exception], ...] = (KafkaError, OSError)
"""Errors of a broker that is away, is not ours, or refuses."""
