"""Dialling out without reaching our own network.

A name is resolved here, every address it has is checked, and exactly such an address is dialled;
there is no second look-up that could answer differently. TLS still asks for the name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import httpcore

from services.notifications.domain.addresses import IPAddress, is_public

Resolver = Callable[[str, int], Awaitable[Sequence[IPAddress]]]

# Threads of their own: a name server that hangs must not hold up what else runs in threads.
_LOOKUPS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="webhook-dns")
_LOOKUP_SECONDS = 5.0


class ForbiddenAddressError(Exception):
    """The receiver's name leads to an address that is not public."""


async def resolve(host: str, port: int) -> Sequence[IPAddress]:
    """Return every address of a host. Raises OSError or TimeoutError."""

    def look_up() -> Sequence[IPAddress]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))

    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_LOOKUP_SECONDS):
        return await loop.run_in_executor(_LOOKUPS, look_up)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, unless ``allow_private``."""

    def __init__(self, *, allow_private: bool, resolver: Resolver = resolve) -> None:
        self._allow_private = allow_private
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to the first address that answers.

        Raises `ForbiddenAddressError` when any address of the host is not public, and
        `httpcore.ConnectError` or `httpcore.ConnectTimeout` when none answers.
        """
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._checked_addresses(host, port):
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: a socket in the file system is never a receiver."""
        raise ForbiddenAddressError(f"{path}, {timeout}, {socket_options}")

    async def sleep(self, seconds: float) -> None:
        """Wait; httpcore asks for it between its own retries, of which there are none."""
        await asyncio.sleep(seconds)

    async def _checked_addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        try:
            addresses = await self._resolver(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved") from error
        # One address of our own among public ones is an attack, not an accident: refuse them all.
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise ForbiddenAddressError(f"{host} leads to an address that is not public")
        return addresses
