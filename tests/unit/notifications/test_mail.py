"""How a letter is written."""

from typing import Any

import pytest

from services.notifications.gateways.mail import Letter, composed, one_line
from services.notifications.settings import SmtpServer
from tests.builders.notifications import ANA, DELIVERY_ID, NOON, message

SENDER = "Tenure <tenure@vendor.example>"


def letter(**given: Any) -> Letter:
    to_name, to = given.pop("to_name", ANA.name), given.pop("to", ANA.email)
    name = given.pop("account_name", "Acme GmbH")
    return Letter(DELIVERY_ID, to, to_name, name, message(**given), NOON)


def parts(mail: Any) -> tuple[str, str]:
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


def test_a_letter_says_what_happened_why_and_what_to_do() -> None:
    mail = composed(letter(), SENDER)
    assert mail["Subject"] == "[Acme GmbH] Usage fell by half"
    for part in parts(mail):
        assert "Usage is at 52 % of what is normal." in part
        assert "Call the champion." in part


def test_a_letter_has_the_id_of_its_delivery() -> None:
    mail = composed(letter(), SENDER)
    assert mail["Message-ID"] == f"<{DELIVERY_ID}@tenure>"
    assert mail["X-Tenure-Delivery"] == str(DELIVERY_ID)
    assert (mail["X-Tenure-Account"], mail["X-Tenure-Reason"]) == ("acme", "usage_drop")


def test_text_cannot_add_a_header() -> None:
    mail = composed(
        letter(title="Hi\r\nBcc: eve@evil.example", account_name="A\nX: y", to_name="A\r\nB"),
        SENDER,
    )
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[A X: y] Hi Bcc: eve@evil.example"
    headers, _, _ = mail.as_bytes().partition(b"\n\n")
    assert b"\nBcc:" not in headers


def test_an_address_that_would_add_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match=r".+"):
        composed(letter(to="ana@vendor.example\r\nBcc: eve@evil.example"), SENDER)


def test_html_is_escaped_and_text_is_not() -> None:
    text, html = parts(composed(letter(explanation="<script>x & y</script>"), SENDER))
    assert "<script>x & y</script>" in text
    assert "&lt;script&gt;x &amp; y&lt;/script&gt;" in html


def test_template_syntax_in_a_text_stays_text() -> None:
    text, html = parts(composed(letter(explanation="{{ 7 * 7 }}{% if x %}"), SENDER))
    assert "{{ 7 * 7 }}{% if x %}" in text
    assert "{{ 7 * 7 }}" in html


def test_every_control_and_line_end_becomes_a_space() -> None:
    assert one_line(" a\r\nb\x00c\u2028d\u0085e ") == "a b c d e"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail:2525", SmtpServer(host="mail", port=2525)),
        ("smtp://mail", SmtpServer(host="mail", port=25)),
        ("smtp://mail:25?starttls=0", SmtpServer(host="mail", port=25, starttls=False)),
        (
            "smtp://a%40b:p%3Aw@mail:587?starttls=1",
            SmtpServer(host="mail", port=587, username="a@b", password="p:w", starttls=True),
        ),
    ],
)
def test_a_mail_server_is_written_as_a_url(url: str, server: SmtpServer) -> None:
    assert SmtpServer.parse(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail:25",
        "http://mail",
        "smtp://",
        "smtp://m?tls=1",
        "smtp://m?starttls=yes",
        "smtp://m:99999",
    ],
)
def test_a_mail_server_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SmtpServer.parse(url)


def test_a_mail_servers_password_is_not_shown() -> None:
    assert "hunter2" not in repr(SmtpServer.parse("smtp://a:hunter2@mail"))
