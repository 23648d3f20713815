"""Metrics, in one list. Labels never hold an account or a person."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

HTTP_REQUESTS = Histogram(
    "tenure_http_request_seconds",
    "HTTP requests by route",
    ["method", "route", "status"],
    buckets=_SECONDS,
)
INGEST_EVENTS = Counter("tenure_ingest_events_total", "Usage events at the HTTP door", ["outcome"])
UNACKNOWLEDGED_BYTES = Gauge(
    "tenure_producer_unacknowledged_bytes", "Bytes handed to the producer and not acknowledged"
)
USAGE_EVENTS = Counter("tenure_usage_events_total", "Usage events read from Kafka", ["outcome"])
USAGE_FLUSH = Histogram(
    "tenure_usage_flush_seconds", "One batch transaction of the usage pipeline", buckets=_SECONDS
)
USAGE_IDS_UNREAD = Gauge(
    "tenure_usage_ids_unread",
    "Ids of counted events that are looked up in Postgres until this replica has read them",
)
EVENTS_HANDLED = Counter(
    "tenure_events_handled_total", "Domain events by outcome", ["type", "outcome"]
)
HANDLING = Histogram(
    "tenure_event_handling_seconds", "One domain event, transaction included", buckets=_SECONDS
)
EVENT_AGE = Histogram(
    "tenure_event_age_seconds", "From an event's time to its commit here", buckets=_SECONDS
)
CONSUMER_LAG = Gauge(
    "tenure_consumer_lag_records", "Records behind the end of the log", ["group", "topic"]
)
OUTBOX_UNPUBLISHED = Gauge("tenure_outbox_unpublished", "Outbox rows waiting for the broker")
RELAY_PUBLISHED = Counter("tenure_relay_published_total", "Outbox rows acknowledged by the broker")
RELAY_LEADER = Gauge("tenure_relay_leader", "1 where this replica is the relay")
DEAD_LETTERS = Counter("tenure_dead_letters_total", "Records set aside", ["topic", "code"])
TIMERS_FIRED = Counter("tenure_timers_fired_total", "Timers fired", ["service"])
JOB_FAILURES = Counter("tenure_job_failures_total", "Runs of a job that failed", ["job"])
DELIVERIES = Counter(
    "tenure_deliveries_total", "Attempts to deliver a notification", ["channel", "outcome"]
)
LOOP_LAG = Gauge("tenure_event_loop_lag_seconds", "How late an event loop woke up", ["loop"])
SIGNAL_WEBHOOKS = Counter(
    "tenure_signal_webhooks_total", "Signals from webhooks of other systems", ["mapping", "outcome"]
)
