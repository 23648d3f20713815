"""The services there are, their ports on one machine, and their database schemas."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shared.db.migrate import Schema
from shared.kernel.errors import NotFound

if TYPE_CHECKING:
    # Half a second that commands without a web server need not wait for.
    from fastapi import FastAPI

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Entry:
    """A service as the command knows it."""

    name: str
    port: int

    def create_app(self) -> "FastAPI":
        """Return the service's app, made from the environment."""
        main = import_module(f"services.{self.name}.main")
        return cast("FastAPI", main.create_app())

    @property
    def schema(self) -> Schema:
        """Its database schema."""
        return Schema(self.name, _ROOT / "services" / self.name / "migrations")


class UnknownService(NotFound):
    """There is no such service."""


SERVICES: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("onboarding", 8101),
        Entry("health", 8102),
        Entry("expansion", 8103),
        Entry("renewals", 8104),
        Entry("notifications", 8105),
    )
}

AUTH_SCHEMA = Schema(
    "auth",
    _ROOT / "shared" / "auth" / "migrations",
    readers=tuple(SERVICES),
    updatable=(("api_keys", "last_used_at"),),
)

SCHEMAS: tuple[Schema, ...] = (AUTH_SCHEMA, *(entry.schema for entry in SERVICES.values()))


def service(name: str) -> Entry:
    """Return a service by name. Raises `UnknownService`."""
    if name not in SERVICES:
        raise UnknownService(f"no service {name!r}; there are {', '.join(SERVICES)}")
    return SERVICES[name]
