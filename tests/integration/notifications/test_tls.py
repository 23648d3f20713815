"""Webhooks over TLS, against receivers whose authority was made for the test."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from services.notifications.domain.addresses import IPAddress
from services.notifications.domain.delivery import Arrived, Missed, Outcome
from services.notifications.gateways.webhooks import WebhookSender
from tenure.demo.receivers import WebhookReceiver
from tests.builders.notifications import DELIVERY_ID, SECRET, VAULT, endpoint, key

HOST = "hooks.vendor.example"
LOOPBACK = "127.0.0.1"
DAY = timedelta(days=1)


class Authority:
    """Issues certificates, valid from a day ago to a given number of days from now."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("An authority of the test")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": True}
        self._certificate = (
            self._builder(self._name, self._key, days=1)
            .add_extension(constraints, critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def trusted(self) -> ssl.SSLContext:
        """Return what a sender uses that trusts this authority alone."""
        pem = self._certificate.public_bytes(Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def server(self, folder: Path, host: str, *, days: float = 1) -> ssl.SSLContext:
        """Return what a receiver uses that is certified under a name."""
        own = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = (
            self._builder(_name(host), own, days=days)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        secret = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = folder / f"{host}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(
        self, subject: x509.Name, own: ec.EllipticCurvePrivateKey, *, days: float
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder(subject_name=subject, issuer_name=self._name)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False)
            .add_extension(issuer, False)
        )


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class TlsReceiver(WebhookReceiver):
    """A receiver that speaks TLS and notes which name it was asked for."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__()
        self.asked_for: list[str | None] = []
        self._tls = tls
        tls.sni_callback = self._note_name

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, ssl=self._tls)
        self.trust(SECRET)
        return self

    def _note_name(self, _socket: Any, name: str | None, _context: ssl.SSLContext) -> None:
        self.asked_for.append(name)


async def send(receiver: WebhookReceiver, trusted: ssl.SSLContext | None) -> Outcome:
    async def names(_host: str, _port: int) -> Sequence[IPAddress]:
        return [ip_address(LOOPBACK)]

    port = receiver.url.rpartition(":")[2].partition("/")[0]
    sender = WebhookSender(VAULT, allow_private=True, resolver=names, tls=trusted)
    target = endpoint(url=f"https://{HOST}:{port}/hook")
    return await sender.send(target, [key()], message_id=DELIVERY_ID, payload={"type": "x"})


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def test_the_checked_address_is_dialled_and_its_name_is_certified(
    authority: Authority, tmp_path: Path
) -> None:
    async with TlsReceiver(authority.server(tmp_path, HOST)) as receiver:
        assert await send(receiver, authority.trusted()) == Arrived(204)
        (got,) = receiver.received
        assert got.is_genuine
        assert got.headers["host"].startswith(f"{HOST}:")
        assert receiver.asked_for == [HOST]


async def test_a_receiver_with_the_certificate_of_another_name_gets_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    async with TlsReceiver(authority.server(tmp_path, "other.example")) as receiver:
        await _is_refused(receiver, authority.trusted(), "Hostname mismatch")


async def test_a_receiver_that_nobody_vouches_for_gets_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    async with TlsReceiver(authority.server(tmp_path, HOST)) as receiver:
        await _is_refused(receiver, Authority().trusted(), "certificate verify failed")


async def test_by_default_only_known_authorities_are_trusted(
    authority: Authority, tmp_path: Path
) -> None:
    async with TlsReceiver(authority.server(tmp_path, HOST)) as receiver:
        await _is_refused(receiver, None, "certificate verify failed")


async def test_a_receiver_whose_certificate_ran_out_gets_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    async with TlsReceiver(authority.server(tmp_path, HOST, days=-1)) as receiver:
        await _is_refused(receiver, authority.trusted(), "certificate has expired")


async def _is_refused(receiver: TlsReceiver, trusted: ssl.SSLContext | None, because: str) -> None:
    outcome = await send(receiver, trusted)
    assert isinstance(outcome, Missed)
    assert because in outcome.error
    assert not outcome.is_final
    assert receiver.received == []
