"""Where mail goes (trivial-rewrite(8), transport(5))."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yard import Fixed

from mailrider.errors import TableTrouble
from mailrider.queue.routing import Route, Router, RoutingTerms, is_mail_domain


def router(**changes: Any) -> Router:
    terms = RoutingTerms(
        is_local=lambda domain: domain == "here.example",
        is_relay=lambda domain: domain == "relay.example",
        is_virtual=lambda domain: domain == "virtual.example",
        transport_maps=Fixed(),
        relayhost_maps=Fixed(),
        default_transport_maps=Fixed(),
        host_name="here.example",
        local_transport="local:here.example",
    )
    return Router(replace(terms, **changes))


def find(recipient: str, sender: str = "a@x.example", **changes: Any) -> tuple[str, str]:
    return router(**changes).find(sender, recipient)[:2]


@pytest.mark.parameter("mydestination", "relay_domains", "virtual_mailbox_domains", "relay_transport", "default_transport")
@pytest.mark.parameter("local_transport", "virtual_transport")
def test_each_class_of_domains_has_its_transport() -> None:
    assert find("b@dest.example") == ("smtp", "dest.example")
    assert find("b@relay.example") == ("relay", "relay.example")
    assert find("b@virtual.example") == ("virtual", "virtual.example")
    assert find("b@here.example") == ("local", "here.example")
    assert find("b") == ("local", "here.example")
    assert find("b@dest.example.") == ("smtp", "dest.example")
    assert find("b@virtual.example", virtual_transport="lmtp:unix:/lmtp") == ("lmtp", "unix:/lmtp")
    assert find("b@dest.example", default_transport="uucp:gateway") == ("uucp", "gateway")


@pytest.mark.parameter("relayhost")
def test_the_relay_host_takes_what_is_not_ours() -> None:
    host = "[relay.host.example]:587"
    assert find("b@dest.example", relayhost=host) == ("smtp", host)
    assert find("b@relay.example", relayhost=host) == ("relay", host)
    assert find("b@virtual.example", relayhost=host) == ("virtual", "virtual.example")
    assert find("b@dest.example", relayhost=host, default_transport="smtp:[other]") == ("smtp", "[other]")


@pytest.mark.parameter("sender_dependent_relayhost_maps", "empty_address_relayhost_maps_lookup_key")
def test_a_relay_host_by_sender() -> None:
    table = Fixed({"a@x.example": "[one]", "@y.example": "[two]", "<>": "[three]", "d@x.example": "DUNNO", "local": "[four]"})
    for sender, expected in (
        ("a@x.example", "[one]"), ("b@y.example", "[two]"), ("", "[three]"), ("d@x.example", "[main]"), ("z@z", "[main]"),
        ("local@here.example", "[four]"),
    ):  # fmt: skip
        assert find("b@dest.example", sender, relayhost_maps=table, relayhost="[main]") == ("smtp", expected)


@pytest.mark.parameter("sender_dependent_default_transport_maps", "empty_address_default_transport_maps_lookup_key")
def test_a_transport_by_sender() -> None:
    table = Fixed({"@x.example": "slow", "<>": "fast:[host]"})
    assert find("b@dest.example", "a@x.example", default_transport_maps=table) == ("slow", "dest.example")
    assert find("b@dest.example", "", default_transport_maps=table, relayhost="[r]") == ("fast", "[host]")
    assert find("b@relay.example", "a@x.example", default_transport_maps=table) == ("relay", "relay.example")


TRANSPORTS = Fixed(
    {
        "one@dest.example": "one:",
        "dest.example": "two:[nexthop]",
        ".dest.example": ":[under]",
        "noop@dest.example": ":",
        "error@dest.example": "error:5.1.1 no mail here",
        "error.example": "error:",
        '"b b"@dest.example': "quoted:",
        "user@ext.example": "plain:",
    }
)


@pytest.mark.parameter("transport_maps")
@pytest.mark.parametrize(
    ("recipient", "route"),
    [
        ("one@dest.example", ("one", "dest.example")),
        ("b@dest.example", ("two", "[nexthop]")),
        ("b@sub.dest.example", ("smtp", "[under]")),
        ("b@deep.sub.dest.example", ("smtp", "[under]")),
        ("noop@dest.example", ("smtp", "[relay]")),
        ("error@dest.example", ("error", "5.1.1 no mail here")),
        ("b@error.example", ("error", "Address is undeliverable")),
        ("b b@dest.example", ("quoted", "dest.example")),
        ("user+ext@ext.example", ("plain", "ext.example")),
        ("b@elsewhere.example", ("smtp", "[relay]")),
    ],
)
def test_the_transport_table_goes_over_everything(recipient: str, route: tuple[str, str]) -> None:
    assert find(recipient, transport_maps=TRANSPORTS, relayhost="[relay]", recipient_delimiter="+") == route


def test_a_star_is_for_the_rest() -> None:
    table = Fixed({"*": "rest:[star]", "here.example": "smtp:[mine]"})
    assert find("b@dest.example", transport_maps=table) == ("rest", "[star]")
    assert router(transport_maps=table).find("", "b@here.example") == Route("smtp", "[mine]", True)


class Broken(Fixed):
    def __bool__(self) -> bool:
        return True

    def find(self, key: str, *, partial: bool = False) -> str | None:
        raise TableTrouble("gone")


@pytest.mark.parametrize("name", ["transport_maps", "relayhost_maps", "default_transport_maps"])
def test_mail_waits_for_a_table_that_cannot_answer(name: str) -> None:
    assert find("b@dest.example", **{name: Broken()}) == ("retry", "4.3.0 address resolver failure")


@pytest.mark.parametrize("recipient", ["", "@dest.example", "b@-x.example", "b@a..b", "b@1.2.3.4", "b@[x]", "b@" + "x." * 200])
def test_what_is_no_address_is_bounced(recipient: str) -> None:
    transport, text = find(recipient)
    assert transport == "error"
    assert text.startswith("5.1.3 ")


@pytest.mark.parametrize(
    "domain", ["dest.example", "localhost", "bücher.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "a_b.example"]
)
def test_where_mail_may_go(domain: str) -> None:
    assert is_mail_domain(domain)


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_an_address_is_it_has_a_route(sender: str, recipient: str) -> None:
    for it in (router(), router(transport_maps=TRANSPORTS, relayhost_maps=TRANSPORTS, recipient_delimiter="+")):
        route = it.find(sender, recipient)
        assert route.transport
        assert route.nexthop
        assert it.find(sender, recipient) == route
