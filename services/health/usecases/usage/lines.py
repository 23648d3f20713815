"""One event a line: a CloudEvent or a Segment-shaped message, as streams and files hold them."""

from services.health.domain.usage.event import Call, Reception
from services.health.domain.usage.segment import read_message
from services.health.usecases.usage.cloudevents import read_cloudevent


def read_line(message: object, reception: Reception) -> Call:
    """Read what stands on a line. Raises `InvalidEvent`."""
    is_cloudevent = isinstance(message, dict) and "specversion" in message
    return (read_cloudevent if is_cloudevent else read_message)(message, reception)
