"""Webhook endpoints: their URLs and their keys."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.notifications.domain.endpoint import InvalidUrl, PrivateUrl, checked_url, rotated
from tests.builders.notifications import NOON, key

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "url",
    ["https://hooks.vendor.example/x?y=1", "https://8.8.8.8/x", "https://vendor.example:8443"],
)
def test_a_public_https_url_is_accepted(url: str) -> None:
    assert checked_url(url, allow_private=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example/x",
        "ftp://vendor.example/x",
        "https://user:pass@vendor.example/",
        "https://vendor.example/#part",
        "https:///x",
        "https://vendor.example:99999/",
        "https://vendor.example/a b",
        "https://vendor.example/\r\nHost: other",
        "https://[::1/",
        "https://vendor\\.example/",
        "vendor.example",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl):
        checked_url(url, allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://100.100.100.200/",
        "https://localhost/",
        "https://localhost./",
        "https://metadata.google.internal/",
        "https://printer.local/",
    ],
)
def test_a_url_that_is_private_by_its_looks_is_refused(url: str) -> None:
    with pytest.raises(PrivateUrl):
        checked_url(url, allow_private=False)
    assert checked_url(url, allow_private=True) == url


def test_plain_http_is_for_development_only() -> None:
    assert checked_url("http://127.0.0.1:8080/hook", allow_private=True)


def test_after_a_rotation_two_keys_sign_for_a_day() -> None:
    new = key(2, created_at=NOON + HOUR)
    old, newest = rotated([key(1)], new)
    assert newest is new
    assert old.is_live(NOON + timedelta(hours=24))
    assert not old.is_live(NOON + timedelta(hours=25))


def test_a_second_rotation_ends_the_oldest_key_at_once() -> None:
    second = rotated([key(1)], key(2, created_at=NOON + HOUR))
    third = rotated(second, key(3, created_at=NOON + 2 * HOUR))
    live = [each.id for each in third if each.is_live(NOON + 2 * HOUR)]
    assert live == [UUID(int=2), UUID(int=3)]


def test_a_key_does_not_show_its_secret() -> None:
    assert "sealed" not in repr(key())
