"""Real receivers of what Tenure sends out: a mail server and a webhook receiver on loopback.

The demo shows with them when a message arrived; tests use them in place of the world.
"""

import asyncio
import email.policy
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from enum import Enum
from types import TracebackType
from typing import Any, Self

import h11
import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook, WebhookVerificationError

from tenure.stack.ports import LOOPBACK

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail as it came in: the envelope's recipients, the parsed message, when it was complete."""

    recipients: tuple[str, ...]
    message: EmailMessage
    received_at: datetime

    @property
    def text(self) -> str:
        """The plain text part."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part."""
        return self._part("html")

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        return str(part.get_content()) if part else ""


class _Arrivals:
    """Wakes whoever waits for something to arrive; only within the receiver's event loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()

    async def note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, is_there: Callable[[], bool], within: float) -> None:
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(is_there)


class SmtpSink:
    """A mail server that keeps what it gets.

    ``refusals`` answers the next messages instead, one each: ``"451 later"``, ``"550 never"``.
    It listens on ``bind`` and ``port``, a free one by default.
    """

    def __init__(self, *, bind: str = LOOPBACK, port: int = 0) -> None:
        self._address = (bind, port)
        self.mails: list[ReceivedMail] = []
        self.refusals: deque[str] = deque()
        self._arrivals = _Arrivals()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, *self._address)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens, as TENURE_SMTP_URL."""
        return f"smtp://{LOOPBACK}:{_port(self._server)}"

    async def wait_for(self, count: int, within: float = 10.0) -> list[ReceivedMail]:
        """Return the mails once there are so many. Raises TimeoutError."""
        await self._arrivals.until(lambda: len(self.mails) >= count, within)
        return list(self.mails)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail, or refuse it; aiosmtpd calls this."""
        if self.refusals:
            return self.refusals.popleft()
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        message = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(raw)
        mail = ReceivedMail(tuple(envelope.rcpt_tos), message, datetime.now(UTC))
        self.mails.append(mail)
        await self._arrivals.note()
        return "250 OK"

    def _protocol(self) -> SMTP:
        return SMTP(self, hostname="sink.tenure.test", enable_SMTPUTF8=True)


class Answer(Enum):
    """How the webhook receiver behaves. HANG never answers, REDIRECT points at itself."""

    OK = 204
    FAIL = 500
    BUSY = 429
    GONE = 410
    REDIRECT = 302
    HANG = 0


@dataclass(frozen=True, slots=True)
class ReceivedWebhook:
    """A webhook as it came in. ``is_genuine``: a trusted secret has signed it."""

    webhook_id: str
    payload: Mapping[str, Any]
    headers: Mapping[str, str]
    path: str
    is_genuine: bool
    received_at: datetime


class WebhookReceiver:
    """An HTTP server that checks Standard Webhooks signatures and keeps every request.

    ``answers`` are used up one a request, then ``answer`` holds. What no trusted secret has
    signed is kept too, and answered 401. BUSY asks for ``retry_after`` seconds. It listens on a
    free port of ``bind``; ``known_as`` is the host by which others reach it.
    """

    def __init__(
        self,
        *,
        answer: Answer = Answer.OK,
        retry_after: int = 7,
        bind: str = LOOPBACK,
        known_as: str = LOOPBACK,
    ) -> None:
        self._bind = bind
        self._known_as = known_as
        self.answer = answer
        self.answers: deque[Answer] = deque()
        self.retry_after = retry_after
        self.received: list[ReceivedWebhook] = []
        self._secrets: list[str] = []
        self._arrivals = _Arrivals()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._bind, 0)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it listens, as others reach it."""
        return f"http://{self._known_as}:{_port(self._server)}/hook"

    def trust(self, secret: str) -> None:
        """Take what is signed with this ``whsec_...`` for genuine."""
        self._secrets.append(secret)

    async def wait_for(self, count: int, within: float = 10.0) -> list[ReceivedWebhook]:
        """Return the requests once there are so many. Raises TimeoutError."""
        await self._arrivals.until(lambda: len(self.received) >= count, within)
        return list(self.received)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            request, body = await _read(connection, reader)
            answer = await self._take(request, body)
            if answer is Answer.HANG:
                await asyncio.Event().wait()
            writer.write(self._response(connection, answer))
            await writer.drain()
        except (h11.RemoteProtocolError, ConnectionError):
            return  # whoever called has hung up, or does not speak HTTP
        finally:
            writer.close()

    async def _take(self, request: h11.Request, body: bytes) -> Answer | None:
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        is_genuine = any(_is_signed(secret, headers, body) for secret in self._secrets)
        webhook = ReceivedWebhook(
            webhook_id=headers.get("webhook-id", ""),
            payload=msgspec.json.decode(body) if is_genuine else {},
            headers=headers,
            path=request.target.decode("latin-1"),
            is_genuine=is_genuine,
            received_at=datetime.now(UTC),
        )
        self.received.append(webhook)
        await self._arrivals.note()
        if not is_genuine:
            return None
        return self.answers.popleft() if self.answers else self.answer

    def _response(self, connection: h11.Connection, answer: Answer | None) -> bytes:
        headers = [("content-length", "0"), ("connection", "close")]
        if answer is Answer.BUSY:
            headers.append(("retry-after", str(self.retry_after)))
        if answer is Answer.REDIRECT:
            headers.append(("location", f"{self.url}/elsewhere"))
        status = answer.value if answer else 401
        sent = connection.send(h11.Response(status_code=status, headers=headers))
        return (sent or b"") + (connection.send(h11.EndOfMessage()) or b"")


def _is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers))
    except (WebhookVerificationError, ValueError):
        return False
    return True


async def _read(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[h11.Request, bytes]:
    request: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif request is not None:
            return request, body
        else:
            raise ConnectionError("closed before a request came")


def _port(server: asyncio.Server | None) -> int:
    if server is None:
        raise RuntimeError("enter the receiver first: async with")
    port: int = server.sockets[0].getsockname()[1]
    return port
