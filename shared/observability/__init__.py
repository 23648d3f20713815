"""Logs as JSON, metrics for Prometheus, trace context that survives outbox and Kafka."""
