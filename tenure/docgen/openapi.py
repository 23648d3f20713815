"""docs/openapi/<service>.json: the HTTP API of each service."""

import json
from importlib import import_module

from tenure.catalog import SERVICES

_VERSION = "v1"


def files() -> dict[str, str]:
    """Return the documents by path."""
    return {f"docs/openapi/{name}.json": render(name) for name in sorted(SERVICES)}


def render(service: str) -> str:
    """Return the OpenAPI document of a service; nothing is connected to."""
    main = import_module(f"services.{service}.main")
    # The environment of whoever runs this must not decide what is written.
    document = main.create_app(main.Settings(environment="development")).openapi()
    # A running app names its build; the document is that of the API.
    document["info"]["version"] = _VERSION
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
