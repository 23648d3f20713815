"""E-mail: text and HTML from sandboxed templates, handed to an SMTP server."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from uuid import UUID

import aiosmtplib
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifications.domain.delivery import Arrived, Missed, Outcome
from services.notifications.domain.message import Message
from services.notifications.settings import SmtpServer

_TEMPLATES = ImmutableSandboxedEnvironment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=lambda name: name is None or name.endswith(".html"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SECONDS = 10.0
_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written to whom. ``id`` names the delivery and stays the same when sent again."""

    id: UUID
    to: str
    to_name: str
    account_name: str
    message: Message
    sent_at: datetime


class Mailer:
    """Hands letters to a mail server, one connection each."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(self, letter: Letter) -> Outcome:
        """Send a letter once."""
        try:
            mail = composed(letter, self._sender)
        except ValueError as error:
            return Missed(f"the letter cannot be addressed: {type(error).__name__}", is_final=True)
        try:
            await self._hand_in(mail)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            return _refused("recipient", max(codes, default=450))
        except aiosmtplib.SMTPDataError as error:
            return _refused("message", error.code)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            # Everything else is between us and our server, and may be mended.
            return Missed(f"{type(error).__name__} from the mail server")
        return Arrived(250)

    async def _hand_in(self, mail: EmailMessage) -> None:
        server = self._server
        await aiosmtplib.send(
            mail,
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            start_tls=server.starttls,
            timeout=_SECONDS,
        )


def composed(letter: Letter, sender: str) -> EmailMessage:
    """Return a letter as MIME. Raises ValueError for an address that cannot stand in a header."""
    notice = letter.message.notice
    mail = EmailMessage()
    mail["Subject"] = one_line(f"[{letter.account_name}] {notice.title}")[:_LONGEST_SUBJECT]
    mail["From"] = _address(*parseaddr(sender))
    mail["To"] = _address(letter.to_name, letter.to)
    mail["Date"] = format_datetime(letter.sent_at)
    mail["Message-ID"] = f"<{letter.id}@tenure>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tenure-Delivery"] = str(letter.id)
    mail["X-Tenure-Account"] = one_line(notice.account_id)
    mail["X-Tenure-Reason"] = one_line(notice.reason)
    words = {
        "account_id": notice.account_id,
        "account_name": letter.account_name,
        "notice": notice,
        "delivery_id": letter.id,
    }
    mail.set_content(_TEMPLATES.get_template("alert.txt").render(words))
    html = _TEMPLATES.get_template("alert.html").render(words)
    mail.add_alternative(html, subtype="html")
    return mail


def one_line(text: str) -> str:
    """Return text that cannot end a header: controls and line ends become single spaces."""
    plain = (" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    return " ".join("".join(plain).split())


def _address(name: str, address: str) -> Address:
    return Address(display_name=one_line(name), addr_spec=address)


def _refused(what: str, code: int) -> Missed:
    return Missed(f"the mail server refused the {what}", code, is_final=code >= 500)
