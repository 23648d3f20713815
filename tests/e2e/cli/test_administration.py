"""`tenure migrate`, `topics` and `keys`."""

import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from shared.bus.topics import read_topics
from tenure.catalog import SCHEMAS
from tests.e2e.cli.commands import Run
from tests.product import Product, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


REVOKED_WITHIN = 6.0


def test_migrate_brings_every_schema_to_head_and_does_nothing_the_second_time(
    tenure: Run, tenure_here: Run, fresh_database: str
) -> None:
    where = ("--database", fresh_database)
    unready = tenure_here("keys", "list", *where)
    assert (unready.code, unready.out) == (1, "")
    assert "run `tenure migrate`" in unready.err

    before = tenure("migrate", "--check", *where, "--json")
    assert before.code == 1
    assert "some schemas are not at head; run `tenure migrate`" in before.err
    assert {row["current"] for row in before.document["schemas"]} == {None}

    first, second = (tenure("migrate", *where, "--json") for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    assert first.document == second.document
    found = {row["schema"]: row["at_head"] for row in second.document["schemas"]}
    assert found == {schema.name: True for schema in SCHEMAS}
    check = tenure_here("migrate", "--check", *where)
    assert (check.code, "renewals" in check.out) == (0, True)


def test_migrate_that_is_refused_does_not_print_the_password(
    tenure: Run, product: Product, fresh_database: str
) -> None:
    # A role of a service may log in, and make neither roles nor schemas.
    user = product.stack.service_environment("health")["TENURE_DATABASE_URL"].rpartition("/")[0]
    url = f"{user}/{fresh_database.rpartition('/')[2]}"
    said = tenure("migrate", "--database", url, "--role-password", "sesame-9f3c")
    assert (said.code, said.out) == (1, "")
    assert "the database refuses: permission denied" in said.err
    assert "sesame-9f3c" not in said.err


def test_topics_apply_makes_nothing_twice_and_refuses_other_partitions(
    tenure: Run, product: Product, tmp_path: Path
) -> None:
    where = ("--broker", product.stack.bootstrap)
    said = tenure("topics", "apply", *where, "--json")
    assert said.code == 0
    assert {row["topic"]: row["outcome"] for row in said.document["topics"]} == {
        topic.name: "exists" for topic in read_topics()
    }
    file = tmp_path / "topics.yml"
    file.write_text("topics:\n  tenure.usage: {partitions: 3}\n")
    other = tenure("topics", "apply", *where, "--file", str(file))
    assert (other.code, other.out) == (1, "")
    assert "tenure.usage" in other.err


def test_a_key_opens_what_its_scopes_say_until_it_is_revoked(
    tenure: Run, tenure_here: Run, product: Product
) -> None:
    where = ("--database", product.stack.admin_url, "--json")
    name = f"a [/key] {uuid4().hex}"
    scopes = ("--scope", "health:read", "--scope", "renewals:read")
    made = tenure("keys", "create", name, *scopes, "--source", "/cli", *where)
    assert made.code == 0
    assert made.document["scopes"] == ["health:read", "renewals:read"]
    url, headers = product.stack.url("health"), {"X-Api-Key": made.document["secret"]}
    assert httpx.get(f"{url}/api/v1/risks", headers=headers).status_code == 200

    table = tenure("keys", "list", *where[:2])
    assert (table.code, name in table.out) == (0, True)
    assert made.document["secret"] not in table.out

    assert tenure("keys", "revoke", made.document["id"], *where).document["revoked"] is True
    revoked_at = time.monotonic()
    eventually(
        lambda: httpx.get(f"{url}/api/v1/risks", headers=headers).status_code == 401,
        within=30,
        what="the revoked key is refused",
    )
    assert time.monotonic() - revoked_at < REVOKED_WITHIN
    (listed,) = [
        key
        for key in tenure_here("keys", "list", *where).document["keys"]
        if key["id"] == made.document["id"]
    ]
    assert listed["name"] == name
    assert listed["revoked_at"] is not None
    assert "secret" not in listed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("create x --scope usage:write --scope health:read", "can do nothing else"),
        ("create x --scope everything", "Known: admin, expansion:read"),
        ("revoke 0199d0c2-7e2a-7bb1-9d0e-3f1f6b8f2a11", "There is no such API key."),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    tenure_here: Run, product: Product, arguments: str, words: str
) -> None:
    said = tenure_here("keys", *arguments.split(), "--database", product.stack.admin_url)
    assert (said.code, said.out) == (1, "")
    assert words in said.err
