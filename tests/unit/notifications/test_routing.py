"""Who hears of what."""

import pytest

from services.notifications.domain.kinds import MessageKind, UnknownEvent, checked_patterns, matches
from services.notifications.domain.person import Person, Role
from services.notifications.domain.routing import Directory
from services.notifications.domain.rules import BadRuleBookError, RuleBook
from services.notifications.domain.severity import Severity
from services.notifications.domain.subscription import (
    Channel,
    ChannelMismatch,
    Filter,
    check_channels,
)
from services.notifications.gateways.rule_book import rule_book
from tests.builders.notifications import (
    ANA,
    BEN,
    ENDPOINT_ID,
    audience,
    book,
    endpoint,
    notice,
    rule,
    subscription,
)


def routes(
    directory: Directory, kind: MessageKind = MessageKind.RISK_OPENED, **owners: Person
) -> set[tuple[str, str]]:
    found = directory.routes(notice(kind), audience(**owners))
    return {(route.channel.value, route.address) for route in found}


def test_a_rule_sends_to_whoever_holds_the_role() -> None:
    directory = Directory(book(rule("risk.*")), [], [])
    assert routes(directory, csm=ANA, ae=BEN) == {("inbox", ANA.email), ("email", ANA.email)}


def test_a_role_that_nobody_holds_is_an_address_that_waits() -> None:
    found = Directory(book(rule("risk.*")), [], []).routes(notice(), audience())
    assert {route.address for route in found} == {"role:csm"}
    assert all(route.is_vacant for route in found)


def test_a_person_who_is_reached_by_two_roads_is_told_once_a_channel() -> None:
    directory = Directory(
        book(rule("risk.*", roles=(Role.CSM, Role.MANAGER), channels=(Channel.INBOX,))),
        [subscription(ANA, "risk.*"), subscription(Role.EVERYONE, "*")],
        [],
    )
    assert len(directory.routes(notice(), audience(csm=ANA, manager=ANA))) == 1


def test_a_rule_below_its_severity_is_silent() -> None:
    directory = Directory(book(rule("risk.*", min_severity=Severity.CRITICAL)), [], [])
    assert routes(directory, csm=ANA) == set()


def test_an_endpoint_gets_what_it_asks_for_by_the_rules() -> None:
    hooks = book(rule("*", channels=(Channel.WEBHOOK,)))
    assert routes(Directory(hooks, [], [endpoint(events=("risk.*",))])) == {
        ("webhook", str(ENDPOINT_ID))
    }
    assert routes(Directory(hooks, [], [endpoint(events=("renewal.*",))])) == set()


def test_a_disabled_endpoint_gets_nothing_not_even_by_subscription() -> None:
    hooks = book(rule("*", channels=(Channel.WEBHOOK,)))
    assert routes(Directory(hooks, [subscription(ENDPOINT_ID)], [])) == set()
    assert routes(Directory(hooks, [], [endpoint(disabled_because="gone")])) == set()


def test_a_subscription_reaches_an_endpoint_that_asks_for_nothing_itself() -> None:
    directory = Directory(book(), [subscription(ENDPOINT_ID, "risk.*")], [endpoint(events=())])
    assert routes(directory) == {("webhook", str(ENDPOINT_ID))}


@pytest.mark.parametrize(
    ("wanted", "is_told"),
    [
        (Filter(), True),
        (Filter(segment="smb"), True),
        (Filter(segment="enterprise"), False),
        (Filter(min_severity=Severity.HIGH), True),
        (Filter(min_severity=Severity.CRITICAL), False),
        (Filter(account_ids=("acme", "globex")), True),
        (Filter(account_ids=("globex",)), False),
    ],
)
def test_a_subscription_hears_what_its_filter_passes(wanted: Filter, *, is_told: bool) -> None:
    directory = Directory(book(), [subscription(BEN, "risk.*", filter=wanted)], [])
    assert bool(routes(directory)) is is_told


def test_events_are_chosen_by_name_by_sort_or_all() -> None:
    kind = MessageKind.RISK_OPENED
    assert matches(("risk.opened",), kind)
    assert matches(("risk.*",), kind)
    assert matches(("*",), kind)
    assert not matches(("risk.recovered", "renewal.*"), kind)


def test_an_event_type_is_understood_as_its_kind() -> None:
    assert checked_patterns(["io.tenure.health.risk_opened.v1"]) == ("risk.opened",)


@pytest.mark.parametrize(
    "pattern", ["", "risk", "risk.", "Risk.*", "risk.exploded", "io.tenure.health.nothing.v1"]
)
def test_an_event_that_does_not_exist_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownEvent):
        checked_patterns([pattern])


def test_people_are_not_reached_by_webhook_nor_endpoints_by_mail() -> None:
    check_channels(BEN, [Channel.INBOX, Channel.EMAIL])
    check_channels(ENDPOINT_ID, [Channel.WEBHOOK])
    for recipient, channel in [(BEN, Channel.WEBHOOK), (ENDPOINT_ID, Channel.EMAIL)]:
        with pytest.raises(ChannelMismatch):
            check_channels(recipient, [channel])


def test_by_default_a_person_is_told_of_a_reason_by_one_kind_of_message() -> None:
    default = Directory(rule_book(), [], [])
    roles = {
        kind: {route.address for route in default.routes(notice(kind), audience())}
        for kind in (MessageKind.RISK_OPENED, MessageKind.RENEWAL_AT_RISK)
    }
    assert roles[MessageKind.RISK_OPENED] == {"role:csm"}
    assert roles[MessageKind.RENEWAL_AT_RISK] == {"role:ae", "role:manager"}


def test_every_kind_of_message_has_a_rule() -> None:
    for kind in MessageKind:
        assert any(each.covers(notice(kind)) for each in rule_book().rules), kind


def test_by_default_only_machines_are_told_that_a_risk_is_told_with_another() -> None:
    default = Directory(rule_book(), [], [endpoint(events=("risk.*",))])
    assert routes(default, MessageKind.RISK_MERGED, csm=ANA) == {("webhook", str(ENDPOINT_ID))}


def test_by_default_a_risk_that_is_back_goes_where_a_new_one_goes() -> None:
    default = Directory(rule_book(), [], [endpoint(events=("risk.*",))])
    woke, opened = (
        routes(default, kind, csm=ANA) for kind in (MessageKind.RISK_AWOKE, MessageKind.RISK_OPENED)
    )
    assert woke == opened


@pytest.mark.parametrize(
    "change", [{"roles": ["king"]}, {"channels": ["fax"]}, {"events": ["risk"]}, {"surprise": 1}]
)
def test_a_rules_file_with_a_mistake_is_refused(change: dict[str, object]) -> None:
    entry = {"name": "r", "events": ["risk.*"], "roles": ["csm"], "channels": ["inbox"], **change}
    with pytest.raises(BadRuleBookError):
        RuleBook.read({"name": "x", "version": 1, "window_hours": 24, "rules": [entry]})
