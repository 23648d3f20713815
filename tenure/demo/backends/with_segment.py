"""A product backend that reports with the unmodified segment-analytics-python client."""

import json
import os
import sys
from datetime import datetime
from typing import Any

from segment.analytics import Client


def main() -> None:
    """Send the days that come in on stdin."""
    failures: list[str] = []
    client = Client(
        os.environ["WRITE_KEY"],
        host=os.environ["TENURE_URL"],
        on_error=lambda error, _batch: failures.append(str(error)),
        upload_interval=0.1,
    )
    for line in sys.stdin:
        _send(client, json.loads(line))
        client.flush()
        sys.stdout.write(json.dumps({"failures": failures}) + "\n")
        sys.stdout.flush()


def _send(client: Any, day: dict[str, Any]) -> None:
    for group in day["groups"]:
        client.identify(group["user"], {"plan": "team"}, context={"groupId": group["account"]})
        client.group(group["user"], group["account"], {"name": group["name"]})
    for event in day["events"]:
        client.track(
            event["user"],
            event["event"],
            {"screen": "main"},
            context={"groupId": event["account"]},
            timestamp=datetime.fromisoformat(event["time"]),
            message_id=event["id"],
        )


if __name__ == "__main__":
    main()
