"""What health reads from the environment, and what it says of what it cannot use."""

import pytest
from pydantic import ValidationError

from services.health.settings import Settings, SignalSettings
from shared.web.settings import settings_in_words

SECRETS = "TENURE_HEALTH_WEBHOOK_SECRETS"


def secrets(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    monkeypatch.setenv(SECRETS, text)
    found = Settings().health_webhook_secrets
    return {name: [one.get_secret_value() for one in each] for name, each in found.items()}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("{}", {}),
        ('{"stripe": "whsec_one"}', {"stripe": ["whsec_one"]}),
        ('{"stripe": "whsec_one whsec_two"}', {"stripe": ["whsec_one", "whsec_two"]}),
        ('{"desk": ["Basic dGVudXJl"]}', {"desk": ["Basic dGVudXJl"]}),
    ],
)
def test_secrets_are_texts_or_lists(
    text: str, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secrets(text, monkeypatch) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("whsec_hidden", "write JSON such as"),
        ("[1]", "write JSON such as"),
        ('{"desk": 7}', "desk: write a text or a list of texts"),
        ('{"desk": ""}', "desk: a secret has at least 8 characters"),
        ('{"desk": "Bearer whsec_hidden"}', 'such as {"desk": ["Basic'),
    ],
)
def test_secrets_that_cannot_be_used_are_named_and_not_shown(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRETS, text)
    with pytest.raises(ValidationError) as caught:
        Settings()
    said = settings_in_words(caught.value)
    assert said.startswith(f"{SECRETS}: ")
    assert words in said
    assert "whsec_hidden" not in said + str(caught.value)


def test_an_empty_path_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_HEALTH_SIGNALS", "")
    monkeypatch.setenv("TENURE_HEALTH_MAPPINGS", "")
    assert (SignalSettings().signals, SignalSettings().mappings) == (None, None)


def test_every_setting_that_is_wrong_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_DATABASE_URL", "mysql://u:hidden@db/t")
    monkeypatch.setenv("TENURE_INGEST_BODY_BYTES", "many")
    monkeypatch.setenv("TENURE_INGEST_ORIGINS", "app.example")
    with pytest.raises(ValidationError) as caught:
        Settings()
    lines = settings_in_words(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "TENURE_DATABASE_URL",
        "TENURE_INGEST_BODY_BYTES",
        "TENURE_INGEST_ORIGINS",
    ]
    assert "hidden" not in "".join(lines)
