"""Sends events with one real SDK. Reads what to do from stdin, says on stdout what went wrong."""

import json
import logging
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
USER = "u-1"


def with_segment(asked: dict[str, Any], errors: list[str]) -> None:
    from segment.analytics import Client  # noqa: PLC0415 - one SDK a process

    client = Client(
        asked["key"],
        host=asked["url"],
        gzip=asked["gzip"],
        on_error=lambda error, _batch: errors.append(str(error)),
        upload_interval=0.1,
        max_retries=12,
    )
    _speak_as_segment(client, asked)


def with_rudder(asked: dict[str, Any], errors: list[str]) -> None:
    from rudderstack.analytics.client import Client  # noqa: PLC0415 - one SDK a process

    client = Client(
        asked["key"],
        host=asked["url"],
        gzip=asked["gzip"],
        on_error=lambda error, _batch: errors.append(str(error)),
        max_retries=12,
    )
    _speak_as_segment(client, asked)


def _speak_as_segment(client: Any, asked: dict[str, Any]) -> None:
    context = {"groupId": asked["account"]}
    for message_id in asked["ids"]:
        client.track(
            USER, asked["event"], _properties(asked), context=context, message_id=message_id
        )
    if asked["page"]:
        client.page(USER, "", asked["page"], context=context)
    client.flush()
    client.join()


def with_posthog(asked: dict[str, Any], errors: list[str]) -> None:
    from posthog import Posthog  # noqa: PLC0415 - one SDK a process

    client = Posthog(
        asked["key"],
        host=asked["url"],
        gzip=asked["gzip"],
        on_error=lambda error, _batch: errors.append(str(error)),
        flush_interval=0.1,
        max_retries=12,
    )
    groups = {"company": asked["account"]}
    for uuid in asked["ids"]:
        client.capture(
            asked["event"],
            distinct_id=USER,
            properties=_properties(asked),
            groups=groups,
            uuid=uuid,
        )
    if asked["page"]:
        page = {"name": asked["page"]}
        client.capture("$pageview", distinct_id=USER, properties=page, groups=groups)
    if asked["flags"]:
        client.feature_enabled("any", USER)
    client.shutdown()


def _properties(asked: dict[str, Any]) -> dict[str, Any]:
    return {"pad": "x" * asked["pad"]} if asked["pad"] else {"format": "pdf"}


def main() -> None:
    asked, errors = json.load(sys.stdin), list[str]()
    speak = {"segment": with_segment, "rudder": with_rudder, "posthog": with_posthog}
    speak[sys.argv[1]](asked, errors)
    sys.stdout.write(json.dumps({"errors": errors}) + "\n")


if __name__ == "__main__":
    main()
