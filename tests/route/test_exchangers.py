"""Every row of the outcome table of smtp(8).

Codes and texts were seen in runs of Postfix 3.7.11; those about SRV records, which it does not know, come from the
documentation of later ones.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import pytest

from mailrider.events import Event, Noted, Warned
from mailrider.model.request import Transport
from mailrider.model.server import Family, Server
from mailrider.resolver.answer import Answer, HostAddresses, Search, Verdict
from mailrider.route.exchangers import Found, NotFound, find_servers
from mailrider.route.nexthop import parse_nexthop
from mailrider.route.policy import DnsSupport, RoutePolicy
from mailrider.testkit.zone import Zone, ZoneResolver

KNOWN = {"smtp": 25, "submission": 587, "lmtp": 24}
ERROR = "Host or domain name not found. Name service error for name={} type={}: {}"
NOT_FOUND, TRY_AGAIN, NO_RECOVERY = "Host not found", "Host not found, try again", "Non-recoverable error"
NO_DATA = "Host found but no data record of requested type"
MALFORMED = "Name service error for name={} type={}: Malformed or unexpected name server reply"
MX1 = ["example.test MX 10 mx1.example.test", "mx1.example.test A 192.0.2.1"]
MX2 = ["example.test MX 10 mx1.example.test", "example.test MX 20 mx2.example.test"]
SRV1 = ["_submission._tcp.example.test SRV 5 0 2525 s1.example.test", "s1.example.test A 192.0.2.5"]


def find(
    nexthop: str = "example.test",
    records: list[str] | None = None,
    faults: dict[str, str] | None = None,
    hosts: Mapping[str, Any] | None = None,
    *,
    secure: bool | list[str] = False,
    events: list[Event] | None = None,
    zone: Zone | None = None,
    **policy: Any,
) -> Found | NotFound:
    """Find the servers of the first element of `nexthop` in a zone, without shuffling."""
    terms = RoutePolicy(**{"randomize": False, "chance": random.Random(1), **policy})
    zone = zone or Zone(MX1 if records is None else records, faults=faults, secure=secure)
    destination = parse_nexthop(nexthop, terms.transport, "smtp", KNOWN)[0]
    heard: list[Event] = []
    result = asyncio.run(find_servers(destination, ZoneResolver(zone, hosts), terms, heard.append))
    if events is not None:
        events += heard
    return result


def tried(result: Found | NotFound) -> list[str]:
    assert isinstance(result, Found), result
    return [server.relay for server in result.servers]


# MX records


def test_a_domain_with_one_exchanger() -> None:
    assert find() == Found(
        (
            Server(
                "mx1.example.test", "192.0.2.1", 25, Family.IPV4, 10,
                asked_name="mx1.example.test", canonical_name="mx1.example.test",
            ),
        ),
        exchanger=find().exchanger,  # type: ignore[union-attr]
    )  # fmt: skip
    assert find().exchanger.data == "mx1.example.test"  # type: ignore[union-attr]
    assert find().best_preference == 10  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("SERVFAIL", "4.4.3", TRY_AGAIN),
        ("TIMEOUT", "4.4.3", TRY_AGAIN),
        ("GARBAGE", "4.4.3", TRY_AGAIN),
        ("REFUSED", "4.4.3", TRY_AGAIN),
        ("NOTIMP", "4.4.3", TRY_AGAIN),
        ("FORMERR", "5.4.3", NO_RECOVERY),
    ],
)
def test_the_mx_question_fails(fault: str, status: str, words: str) -> None:
    records = [*MX1, "example.test A 192.0.2.7"]
    result = find(records=records, faults={"example.test/MX": fault})
    assert result == NotFound(status, ERROR.format("example.test", "MX", words))
    ignored = find(records=records, faults={"example.test/MX": fault}, ignore_mx_lookup_error=True)
    assert tried(ignored) == ["example.test[192.0.2.7]:25"]


class Saying(ZoneResolver):
    """Gives one answer to one question."""

    def __init__(self, name: str, record_type: str, answer: Answer, records: list[str]) -> None:
        super().__init__(Zone(records))
        self.question = (name, (record_type,))
        self.answer = answer

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        if (name, types) == self.question:
            return self.answer
        return await super().ask(name, types, dnssec=dnssec, search=search)


@pytest.mark.parametrize(
    ("verdict", "status", "ignorable"),
    [(Verdict.SOFT, "4.4.3", True), (Verdict.INVALID, "5.4.4", True), (Verdict.POLICY, "4.7.0", False)],
)
def test_the_mx_answer_is_of_no_use(verdict: Verdict, status: str, ignorable: bool) -> None:
    resolver = Saying("example.test", "MX", Answer(verdict, reason="said so"), ["example.test A 192.0.2.7"])
    destination = parse_nexthop("example.test", Transport.SMTP, "smtp", KNOWN)[0]
    assert asyncio.run(find_servers(destination, resolver, RoutePolicy())) == NotFound(status, "said so")
    lenient = asyncio.run(find_servers(destination, resolver, RoutePolicy(ignore_mx_lookup_error=True)))
    assert isinstance(lenient, Found) == ignorable


@pytest.mark.parametrize("target", ["-bad-.example.test", "1.2.3"])
def test_only_bad_targets(target: str) -> None:
    events: list[Event] = []
    records = [f"example.test MX 10 {target}", "example.test A 192.0.2.7"]
    assert find(records=records, events=events) == NotFound("5.4.4", MALFORMED.format("example.test", "MX"))
    assert events == [Warned(f"malformed domain name in resource data of MX record for example.test: {target}")]
    assert tried(find(records=records, ignore_mx_lookup_error=True)) == ["example.test[192.0.2.7]:25"]


@pytest.mark.parametrize("others", [[], MX1])
def test_null_mx(others: list[str]) -> None:
    records = [*others, "example.test MX 0 .", "example.test A 192.0.2.7"]
    expected = NotFound("5.1.0", "Domain example.test does not accept mail (nullMX)")
    assert find(records=records) == expected
    assert find(records=records, ignore_mx_lookup_error=True) == expected


@pytest.mark.parametrize("fault", ["NXDOMAIN", "NODATA"])
def test_no_mx_means_the_domain_itself(fault: str) -> None:
    result = find(records=[*MX1, "example.test A 192.0.2.7"], faults={"example.test/MX": fault})
    assert tried(result) == ["example.test[192.0.2.7]:25"]
    assert result.exchanger is None  # type: ignore[union-attr]
    assert result.best_preference == 0  # type: ignore[union-attr]


def test_neither_mx_nor_address() -> None:
    assert find(records=["other.test A 192.0.2.1"]) == NotFound("5.4.4", ERROR.format("example.test", "AAAA", NOT_FOUND))
    assert find(records=["example.test TXT x"]) == NotFound("5.4.4", ERROR.format("example.test", "AAAA", NO_DATA))


def test_an_alias_of_the_domain_is_followed() -> None:
    assert tried(find(records=["example.test CNAME other.test", "other.test MX 1 m.test", "m.test A 192.0.2.1"])) == [
        "m.test[192.0.2.1]:25"
    ]
    loop = find(records=["example.test CNAME example.test"])
    assert loop == NotFound("5.4.4", "Name server loop for example.test")


@pytest.mark.parametrize(
    ("faults", "status", "host", "words"),
    [
        ({}, "5.4.4", "mx2", NOT_FOUND),
        ({"mx1.example.test/*": "SERVFAIL"}, "4.4.4", "mx2", NOT_FOUND),
        ({"mx2.example.test/*": "SERVFAIL"}, "4.4.3", "mx2", TRY_AGAIN),
        ({"mx1.example.test/*": "FORMERR"}, "5.4.4", "mx2", NOT_FOUND),
        ({"mx2.example.test/*": "FORMERR"}, "5.4.3", "mx2", NO_RECOVERY),
        ({"mx1.example.test/*": "SERVFAIL", "mx2.example.test/*": "FORMERR"}, "4.4.3", "mx2", NO_RECOVERY),
    ],
)
def test_no_exchanger_has_an_address(faults: dict[str, str], status: str, host: str, words: str) -> None:
    events: list[Event] = []
    text = ERROR.format(f"{host}.example.test", "AAAA", words)
    assert find(records=MX2, faults=faults, events=events) == NotFound(status, text)
    assert events == [Warned("no MX host for example.test has a valid address record")]
    deferred = find(records=MX2, faults=faults, defer_if_no_mx_address=True)
    assert deferred == NotFound("4" + status[1:], text)


def test_a_dangling_exchanger_is_passed_over() -> None:
    events: list[Event] = []
    assert tried(find(records=[*MX2, "mx2.example.test A 192.0.2.2"], events=events)) == ["mx2.example.test[192.0.2.2]:25"]
    assert events == []


def test_exchangers_in_order() -> None:
    records = [
        "example.test MX 20 mx3.test",
        "example.test MX 10 mx1.test",
        "example.test MX 10 mx2.test",
        "mx1.test A 192.0.2.12",
        "mx1.test A 192.0.2.11",
        "mx1.test AAAA 2001:db8::1",
        "mx2.test A 192.0.2.21",
        "mx2.test AAAA 2001:db8::2",
        "mx3.test A 192.0.2.31",
        "mx3.test AAAA 2001:db8::3",
    ]

    def order(**policy: Any) -> str:
        result = find(records=records, address_limit=0, **policy)
        assert isinstance(result, Found)
        return " ".join(server.address.rpartition(".")[2].rpartition(":")[2] for server in result.servers)

    assert order() == "12 11 1 21 2 31 3"
    assert order(first_family=Family.IPV6) == "1 2 12 11 21 3 31"
    assert order(first_family=Family.IPV4) == "12 11 21 1 2 31 3"
    assert order(families=(Family.IPV4,)) == "12 11 21 31"
    assert order(families=(Family.IPV6,)) == "1 2 3"
    shuffled = {order(randomize=True, chance=random.Random(seed)) for seed in range(20)}
    assert len(shuffled) > 5
    assert all(set(each.split()[-2:]) == {"31", "3"} for each in shuffled)


def test_families_are_balanced_within_the_limit() -> None:
    records = ["example.test MX 10 m.test"]
    records += [f"m.test AAAA 2001:db8::{n}" for n in range(1, 7)] + [f"m.test A 192.0.2.{n}" for n in range(11, 17)]
    families = [server.family for server in find(records=records, first_family=Family.IPV6).servers]  # type: ignore[union-attr]
    assert families == [Family.IPV6] * 3 + [Family.IPV4] * 2
    assert len(tried(find(records=records, balance=False))) == 12
    assert len(tried(find(records=records, address_limit=0))) == 12


def test_the_list_ends_at_a_hundred() -> None:
    records = [f"example.test MX {n} m{n}.test" for n in range(1, 4)]
    records += [f"m{n}.test A 10.{n}.0.{host}" for n in range(1, 4) for host in range(60)]
    assert len(tried(find(records=records, address_limit=0))) == 100


def test_a_numeric_exchanger() -> None:
    events: list[Event] = []
    assert tried(find(records=["example.test MX 10 192.0.2.9"], events=events)) == ["192.0.2.9[192.0.2.9]:25"]
    assert events == [Warned("numeric domain name in resource data of MX record for example.test: 192.0.2.9")]


def test_an_alias_as_exchanger() -> None:
    records = ["example.test MX 10 alias.test", "alias.test CNAME real.test", "real.test A 192.0.2.1"]
    (server,) = find(records=records).servers  # type: ignore[union-attr]
    assert (server.host, server.asked_name, server.canonical_name) == ("alias.test", "alias.test", "real.test")
    (server,) = find(records=records, cname_overrides_servername=True).servers  # type: ignore[union-attr]
    assert (server.host, server.asked_name, server.canonical_name) == ("real.test", "alias.test", "real.test")


def test_a_port_of_ones_own() -> None:
    assert tried(find("example.test:2525")) == ["mx1.example.test[192.0.2.1]:2525"]


# Ourselves

OWN = frozenset({"127.0.0.1", "2001:db8::aa"})


def test_we_are_the_best_exchanger() -> None:
    result = find(records=["example.test MX 10 me.test", "me.test A 127.0.0.1"], own_addresses=OWN)
    assert result == NotFound("5.4.6", "mail for example.test loops back to myself", exchanger_is_self=True)
    assert result.loop


def test_equals_of_ourselves_are_not_tried() -> None:
    records = ["example.test MX 10 me.test", "example.test MX 10 mx1.example.test", "me.test A 127.0.0.1", MX1[1]]
    for order in (records, [records[1], records[0], *records[2:]]):
        result = find(records=order, own_addresses=OWN)
        assert result == NotFound("5.4.6", "mail for example.test loops back to myself", exchanger_is_self=True)


def test_better_ones_than_ourselves_are_tried() -> None:
    records = [*MX1, "example.test MX 20 me.test", "example.test MX 30 mx3.test", "me.test AAAA 2001:db8::aa"]
    result = find(records=[*records, "mx3.test A 192.0.2.3"], own_addresses=OWN)
    assert tried(result) == ["mx1.example.test[192.0.2.1]:25"]
    assert result.exchanger_is_self


def test_the_better_ones_are_not_to_be_found() -> None:
    records = ["example.test MX 10 gone.test", "example.test MX 20 me.test", "me.test A 127.0.0.1"]
    result = find(records=records, own_addresses=OWN)
    assert result == NotFound("4.4.4", "unable to find primary relay for example.test", exchanger_is_self=True)
    assert result.loop


def test_a_host_with_an_address_of_ours_is_refused_whole() -> None:
    records = ["me.test A 192.0.2.1", "me.test A 127.0.0.1"]
    for nexthop in ("[me.test]", "me.test"):
        result = find(nexthop, records=records, own_addresses=OWN)
        assert result == NotFound("5.4.6", "mail for me.test loops back to myself")
        assert result.loop


@pytest.mark.parametrize(
    ("nexthop", "transport"), [("me.test:26", Transport.SMTP), ("[me.test]:587", Transport.SMTP), ("me.test", Transport.LMTP)]
)
def test_loops_are_looked_for_at_port_25_of_smtp_only(nexthop: str, transport: Transport) -> None:
    result = find(nexthop, records=["me.test A 127.0.0.1"], own_addresses=OWN, transport=transport)
    assert len(tried(result)) == 1


def test_other_failures_are_no_loops() -> None:
    assert not NotFound("5.4.4", "x").loop


# Hosts


@pytest.mark.parametrize(
    ("fault", "status", "record_type", "words"),
    [
        ("SERVFAIL", "4.4.3", "A", TRY_AGAIN),
        ("REFUSED", "4.4.3", "A", TRY_AGAIN),
        ("TIMEOUT", "4.4.3", "A", TRY_AGAIN),
        ("FORMERR", "5.4.3", "A", NO_RECOVERY),
        ("NXDOMAIN", "5.4.4", "AAAA", NO_DATA),
        ("NODATA", "5.4.4", "AAAA", NO_DATA),
    ],
)
def test_the_address_question_fails(fault: str, status: str, record_type: str, words: str) -> None:
    result = find("[mx1.example.test]", faults={"mx1.example.test/A": fault})
    assert result == NotFound(status, ERROR.format("mx1.example.test", record_type, words))


def test_one_family_is_enough() -> None:
    records = ["m.test A 192.0.2.1"]
    assert tried(find("[m.test]", records=records, faults={"m.test/AAAA": "SERVFAIL"})) == ["m.test[192.0.2.1]:25"]


def test_brackets_mean_no_mx() -> None:
    zone = Zone(["example.test MX 10 mx.test", "example.test A 192.0.2.7"])
    assert tried(find("[example.test]", zone=zone)) == ["example.test[192.0.2.7]:25"]
    assert ("example.test", "MX", "udp") not in zone.asked


def test_lmtp_means_no_mx() -> None:
    records = ["example.test MX 10 mx.test", "example.test A 192.0.2.7"]
    assert tried(find(records=records, transport=Transport.LMTP)) == ["example.test[192.0.2.7]:25"]


@pytest.mark.parametrize(
    ("nexthop", "server"),
    [
        ("[192.0.2.1]", "192.0.2.1[192.0.2.1]:25"),
        ("[ipv6:2001:DB8::0001]:26", "2001:DB8::0001[2001:db8::1]:26"),
    ],
)
def test_numeric_hosts_need_no_question(nexthop: str, server: str) -> None:
    zone = Zone()
    assert tried(find(nexthop, zone=zone)) == [server]
    assert zone.asked == []


def test_a_bare_address_is_a_domain_without_mx() -> None:
    assert tried(find("192.0.2.1")) == ["192.0.2.1[192.0.2.1]:25"]


def test_a_numeric_host_of_a_family_that_is_not_in_use() -> None:
    result = find("[2001:db8::1]", families=(Family.IPV4,))
    assert result == NotFound("5.4.4", "Name service error for 2001:db8::1: invalid host or domain name")


def test_no_family_at_all() -> None:
    assert find("[192.0.2.1]", families=()) == NotFound("4.4.4", "all network protocols are disabled")


def test_a_policy_that_drops_all_addresses() -> None:
    resolver = Saying("m.test", "A", Answer(Verdict.POLICY, reason="dropped"), [])
    destination = parse_nexthop("[m.test]", Transport.SMTP, "smtp", KNOWN)[0]
    policy = RoutePolicy(families=(Family.IPV4,), host_native=True)
    assert asyncio.run(find_servers(destination, resolver, policy)) == NotFound("4.7.0", "dropped")


# The native name service


def test_native_after_dns_has_denied() -> None:
    hosts = {"m.test": ["192.0.2.8"]}
    assert tried(find("[m.test]", hosts=hosts, host_native=True)) == ["m.test[192.0.2.8]:25"]
    assert isinstance(find("[m.test]", hosts=hosts), NotFound)
    in_dns = ["m.test A 192.0.2.1"]
    assert tried(find("[m.test]", records=in_dns, hosts=hosts, host_native=True)) == ["m.test[192.0.2.1]:25"]


@pytest.mark.parametrize("fault", ["SERVFAIL", "FORMERR"])
def test_native_never_after_dns_has_failed(fault: str) -> None:
    result = find("[m.test]", faults={"m.test/*": fault}, hosts={"m.test": ["192.0.2.8"]}, host_native=True)
    assert isinstance(result, NotFound)


def test_native_alone() -> None:
    zone = Zone(["m.test A 192.0.2.1"])
    result = find("[m.test]", zone=zone, hosts={"m.test": ["2001:DB8::1", "192.0.2.8"]}, host_dns=False, host_native=True)
    assert tried(result) == ["m.test[2001:db8::1]:25", "m.test[192.0.2.8]:25"]
    assert zone.asked == []


def test_dns_switched_off_means_no_mx_either() -> None:
    zone = Zone(MX1)
    policy = {"dns": DnsSupport.DISABLED, "host_dns": False, "host_native": True}
    result = find("example.test", zone=zone, hosts={"example.test": ["192.0.2.8"]}, **policy)
    assert tried(result) == ["example.test[192.0.2.8]:25"]
    assert zone.asked == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (HostAddresses((), "Name or service not known", not_found=True), "5.4.4"),
        (HostAddresses((), "Temporary failure in name resolution", retry=True, not_found=True), "4.4.4"),
        (HostAddresses((), "No address associated with hostname"), "5.3.0"),
        (HostAddresses((), "Memory allocation failure", retry=True), "4.3.0"),
    ],
)
def test_native_failures(answer: HostAddresses, status: str) -> None:
    result = find("[m.test]", hosts={"m.test": answer}, host_dns=False, host_native=True)
    assert result == NotFound(status, f"unable to look up host m.test: {answer.error}")


def test_native_without_an_address_of_use() -> None:
    hosts = {"m.test": HostAddresses(("2001:db8::1",))}
    result = find("[m.test]", hosts=hosts, host_dns=False, host_native=True, families=(Family.IPV4,))
    assert result == NotFound("5.4.4", "m.test: host not found")


def test_native_failures_after_a_soft_one_are_soft() -> None:
    faults = {"mx1.example.test/*": "SERVFAIL"}
    unknown = find(records=MX2, faults=faults, host_native=True)
    assert unknown == NotFound("4.4.4", "unable to look up host mx2.example.test: Name or service not known")
    broken = {"mx2.example.test": HostAddresses((), "Broken")}
    assert find(records=MX2, faults=faults, hosts=broken, host_native=True).status == "4.3.0"  # type: ignore[union-attr]
    empty = {"mx2.example.test": HostAddresses(())}
    assert find(records=MX2, faults=faults, hosts=empty, host_native=True).status == "4.4.4"  # type: ignore[union-attr]


# SRV records


def srv(nexthop: str = "example.test:submission", **rest: Any) -> Found | NotFound:
    return find(nexthop, uses_service_records=lambda service: service == "submission", **rest)


def test_a_service() -> None:
    result = srv(records=SRV1)
    assert tried(result) == ["s1.example.test[192.0.2.5]:2525"]
    assert result.best_preference == 5  # type: ignore[union-attr]
    assert result.exchanger is not None
    assert result.exchanger.type == "SRV"


def test_services_in_order_of_priority() -> None:
    records = [
        "_submission._tcp.example.test SRV 20 0 25 s2.test",
        "_submission._tcp.example.test SRV 10 0 26 s1.test",
        "s1.test A 192.0.2.1",
        "s2.test AAAA 2001:db8::2",
    ]
    assert tried(srv(records=records, first_family=Family.IPV6)) == ["s1.test[192.0.2.1]:26", "s2.test[2001:db8::2]:25"]


def test_services_are_for_those_listed_and_without_brackets() -> None:
    assert tried(srv("example.test", records=[*MX1, *SRV1])) == ["mx1.example.test[192.0.2.1]:25"]
    records = [*SRV1, "example.test A 192.0.2.7"]
    assert tried(srv("[example.test]:submission", records=records)) == ["example.test[192.0.2.7]:587"]


SRV_NAME = "_submission._tcp.example.test"


@pytest.mark.parametrize(
    ("records", "fault", "status", "text", "ignorable"),
    [
        ([], "", "5.4.4", ERROR.format(SRV_NAME, "SRV", NOT_FOUND), False),
        ([], "SERVFAIL", "4.4.3", ERROR.format(SRV_NAME, "SRV", TRY_AGAIN), True),
        ([], "FORMERR", "5.4.3", ERROR.format(SRV_NAME, "SRV", NO_RECOVERY), True),
        ([f"{SRV_NAME} SRV 0 0 0 ."], "", "5.1.0", f"Domain {SRV_NAME} does not support SRV requests", False),
        ([f"{SRV_NAME} SRV 0 0 25 -bad-.test"], "", "5.4.4", MALFORMED.format(SRV_NAME, "SRV"), True),
        ([f"{SRV_NAME} SRV 0 0 25 gone.test"], "", "5.4.4", ERROR.format("gone.test", "AAAA", NOT_FOUND), False),
    ],
)
def test_no_service(records: list[str], fault: str, status: str, text: str, ignorable: bool) -> None:
    faults = {f"{SRV_NAME}/SRV": fault} if fault else {}
    records = [*records, *MX1]
    assert srv(records=records, faults=faults) == NotFound(status, text)
    ignored = srv(records=records, faults=faults, ignore_srv_lookup_error=True)
    assert isinstance(ignored, Found) == ignorable
    events: list[Event] = []
    allowed = srv(records=records, faults=faults, allow_srv_lookup_fallback=True, events=events)
    assert tried(allowed) == ["mx1.example.test[192.0.2.1]:587"]
    assert Noted(f"skipping SRV lookup for {SRV_NAME}: {text}") in events
    direct = [*records, "example.test A 192.0.2.7"]
    lmtp = srv(records=direct, faults=faults, allow_srv_lookup_fallback=True, transport=Transport.LMTP)
    assert tried(lmtp) == ["example.test[192.0.2.7]:587"]


def test_services_without_addresses_are_warned_about() -> None:
    events: list[Event] = []
    srv(records=[f"{SRV_NAME} SRV 0 0 25 gone.test"], events=events)
    assert events == [Warned(f"no SRV host for {SRV_NAME} has a valid address record")]


def test_a_failed_service_does_not_soften_what_comes_after() -> None:
    result = srv(records=MX2, faults={f"{SRV_NAME}/SRV": "SERVFAIL"}, ignore_srv_lookup_error=True)
    assert result == NotFound("5.4.4", ERROR.format("mx2.example.test", "AAAA", NOT_FOUND))


def test_we_are_the_best_service() -> None:
    records = ["_smtp._tcp.example.test SRV 5 0 25 me.test", "me.test A 127.0.0.1"]
    result = find(records=records, uses_service_records=lambda service: True, own_addresses=OWN)
    assert result == NotFound("5.4.6", "mail for _smtp._tcp.example.test loops back to myself", exchanger_is_self=True)


# The rest


def test_names_in_other_scripts() -> None:
    records = ["xn--bcher-kva.test MX 10 mx.test", "mx.test A 127.0.0.1"]
    assert tried(find("bücher.test", records=records)) == ["mx.test[127.0.0.1]:25"]
    loop = find("bücher.test", records=records, own_addresses=OWN)
    assert loop.text == "mail for bücher.test loops back to myself"  # type: ignore[union-attr]
    assert find("faß.test", records=["fass.test A 192.0.2.1"], idna2003=True).servers[0].host == "fass.test"  # type: ignore[union-attr]
    assert isinstance(find("faß.test", records=["fass.test A 192.0.2.1"]), NotFound)


def test_a_unix_domain_socket_is_its_own_server() -> None:
    result = find("unix:/run/lmtp", transport=Transport.LMTP, families=(), my_hostname="me.test")
    assert result == Found((Server("me.test", "/run/lmtp", 0, Family.UNIX),))


@pytest.mark.parametrize(
    ("policy", "secure", "exchanger", "host"),
    [
        ({}, True, False, False),
        ({"dns": DnsSupport.DNSSEC}, True, True, True),
        ({"dns": DnsSupport.DNSSEC}, ["example.test"], True, True),
        ({"dns": DnsSupport.DNSSEC}, ["mx1.example.test"], False, False),
        ({"dns": DnsSupport.DNSSEC, "validate_all_hosts": True}, ["mx1.example.test"], False, True),
    ],
)
def test_what_was_validated(policy: dict[str, Any], secure: bool | list[str], exchanger: bool, host: bool) -> None:
    result = find(secure=secure, **policy)
    assert isinstance(result, Found)
    assert result.exchanger is not None
    assert result.exchanger.secure == exchanger
    assert result.servers[0].secure == host


def test_a_validated_host() -> None:
    result = find("[mx1.example.test]", secure=True, dns=DnsSupport.DNSSEC)
    assert result.servers[0].secure  # type: ignore[union-attr]


class Listening(ZoneResolver):
    def __init__(self, records: list[str]) -> None:
        super().__init__(Zone(records))
        self.searches: list[tuple[str, Search]] = []

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        self.searches.append((types[0], search))
        return await super().ask(name, types, dnssec=dnssec, search=search)


def test_the_search_list_is_for_hosts_and_not_for_mx() -> None:
    resolver = Listening(MX1)
    destination = parse_nexthop("example.test", Transport.SMTP, "smtp", KNOWN)[0]
    asyncio.run(find_servers(destination, resolver, RoutePolicy(search=Search.DEFNAMES)))
    assert resolver.searches == [("MX", Search.NONE), ("A", Search.DEFNAMES)]
