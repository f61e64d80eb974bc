"""Finding servers: one test for each parameter."""

from __future__ import annotations

import asyncio
import socket

import pytest

from delivery.scene import Scene, brief, nobody, server_of
from mailrider.delivery.profile import make_profile
from mailrider.model.outcome import DeliveryReport
from mailrider.model.request import Transport
from mailrider.model.server import Family, Server
from mailrider.model.tls import TlsLevel
from mailrider.net.dial import DialFailure, Dialled, dial
from mailrider.route.own_addresses import find_own_addresses
from mailrider.route.policy import enabled_families
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.testkit.zone import Zone, ZoneResolver, ZoneServer
from mailrider.tls.tlsa import read_digests
from mailrider.trust.dane import Dane, DaneTerms
from virtual_time import run

from .scenes import find_way, settings_of

MX = ("example.test MX 10 mx.example.test", "mx.example.test A 192.0.2.1")
BOTH = ("mx.example.test A 192.0.2.1", "mx.example.test AAAA 2001:db8::1", "example.test MX 10 mx.example.test")


def relay(host: str, address: str, port: int = 25) -> str:
    return f"{host}[{address}]:{port}"


@pytest.mark.parameter("disable_dns_lookups")
def test_without_dns_no_question_is_asked() -> None:
    way = find_way("example.test", *MX, hosts={"example.test": ["192.0.2.9"]}, disable_dns_lookups=True)
    assert way.relays == [relay("example.test", "192.0.2.9")]
    assert way.asked == []


@pytest.mark.parameter("smtp_dns_support_level")
def test_the_support_level_wins_over_the_older_switch() -> None:
    hosts = {"example.test": ["192.0.2.9"]}
    off = find_way("example.test", *MX, hosts=hosts, smtp_dns_support_level="disabled")
    on = find_way("example.test", *MX, hosts=hosts, smtp_dns_support_level="enabled", disable_dns_lookups=True)
    assert (off.relays, off.asked) == ([relay("example.test", "192.0.2.9")], [])
    assert on.relays == [relay("mx.example.test", "192.0.2.1")]
    signed = find_way("example.test", *MX, secure=True, smtp_dns_support_level="dnssec").result
    plain = find_way("example.test", *MX, secure=True).result
    assert signed.exchanger.secure  # type: ignore[union-attr]
    assert not plain.exchanger.secure  # type: ignore[union-attr]


@pytest.mark.parameter("smtp_host_lookup")
def test_hosts_may_be_looked_up_natively() -> None:
    hosts = {"mx.example.test": ["192.0.2.9"]}
    assert find_way("[mx.example.test]", *MX, hosts=hosts).relays == [relay("mx.example.test", "192.0.2.1")]
    native = find_way("[mx.example.test]", *MX, hosts=hosts, smtp_host_lookup="native")
    assert (native.relays, native.asked) == ([relay("mx.example.test", "192.0.2.9")], [])


@pytest.mark.parameter("ignore_mx_lookup_error")
def test_a_failed_mx_question_may_be_passed_over() -> None:
    records = ("example.test A 192.0.2.7",)
    faults = {"example.test/MX": "SERVFAIL"}
    assert find_way("example.test", *records, faults=faults).status == "4.4.3"
    ignored = find_way("example.test", *records, faults=faults, ignore_mx_lookup_error=True)
    assert ignored.relays == [relay("example.test", "192.0.2.7")]


@pytest.mark.parameter("smtp_defer_if_no_mx_address_found")
def test_exchangers_without_addresses_may_defer() -> None:
    records = ("example.test MX 10 gone.example.test",)
    assert find_way("example.test", *records).status[0] == "5"
    assert find_way("example.test", *records, smtp_defer_if_no_mx_address_found=True).status[0] == "4"


SRV = ("_submission._tcp.example.test SRV 5 0 2525 s1.example.test", "s1.example.test A 192.0.2.5", *MX)


@pytest.mark.parameter("use_srv_lookup")
def test_a_service_may_be_found_by_srv_records() -> None:
    assert find_way("example.test:submission", *SRV).relays == [relay("mx.example.test", "192.0.2.1", 587)]
    found = find_way("example.test:submission", *SRV, use_srv_lookup="submission")
    assert found.relays == [relay("s1.example.test", "192.0.2.5", 2525)]


@pytest.mark.parameter("allow_srv_lookup_fallback")
def test_without_srv_records_mx_records_may_do() -> None:
    settings = {"use_srv_lookup": "submission"}
    assert find_way("example.test:submission", *MX, **settings).status[0] == "5"
    fallen = find_way("example.test:submission", *MX, **settings, allow_srv_lookup_fallback=True)
    assert fallen.relays == [relay("mx.example.test", "192.0.2.1", 587)]


@pytest.mark.parameter("ignore_srv_lookup_error")
def test_a_failed_srv_question_may_be_passed_over() -> None:
    settings: dict[str, object] = {"use_srv_lookup": "submission"}
    faults = {"_submission._tcp.example.test/SRV": "SERVFAIL"}
    assert find_way("example.test:submission", *MX, faults=faults, **settings).status == "4.4.3"
    passed = find_way("example.test:submission", *MX, faults=faults, **settings, ignore_srv_lookup_error=True)
    assert passed.relays == [relay("mx.example.test", "192.0.2.1", 587)]


@pytest.mark.parameter("smtp_cname_overrides_servername")
def test_an_alias_may_give_way_to_its_target() -> None:
    records = ("alias.example.test CNAME real.example.test", "real.example.test A 192.0.2.3")
    assert find_way("[alias.example.test]", *records).relays == [relay("alias.example.test", "192.0.2.3")]
    named = find_way("[alias.example.test]", *records, smtp_cname_overrides_servername=True)
    assert named.relays == [relay("real.example.test", "192.0.2.3")]


@pytest.mark.parameter("smtp_randomize_addresses")
def test_equal_servers_are_shuffled_unless_that_is_off() -> None:
    records = [f"example.test MX 10 mx{n}.example.test" for n in range(5)]
    records += [f"mx{n}.example.test A 192.0.2.{n}" for n in range(5)]
    orders = {tuple(find_way("example.test", *records, seed=seed).relays) for seed in range(8)}
    assert len(orders) > 1
    fixed = {tuple(find_way("example.test", *records, seed=seed, smtp_randomize_addresses=False).relays) for seed in range(8)}
    assert fixed == {tuple(relay(f"mx{n}.example.test", f"192.0.2.{n}") for n in range(5))}


@pytest.mark.parameter("smtp_address_preference")
@pytest.mark.parametrize(("preference", "first"), [("ipv4", "192.0.2.1"), ("ipv6", "2001:db8::1")])
def test_one_family_may_come_first(preference: str, first: str) -> None:
    for seed in range(4):
        way = find_way("example.test", *BOTH, seed=seed, smtp_address_preference=preference)
        assert way.relays[0] == relay("mx.example.test", first)


@pytest.mark.parameter("smtp_balance_inet_protocols")
def test_a_limit_leaves_room_for_both_families() -> None:
    records = ["example.test MX 10 mx.example.test", "mx.example.test AAAA 2001:db8::1"]
    records += [f"mx.example.test A 192.0.2.{n}" for n in range(1, 6)]
    settings: dict[str, object] = {"smtp_mx_address_limit": 2, "smtp_address_preference": "ipv4"}
    both = find_way("example.test", *records, **settings).relays
    assert [":db8:" in each for each in both] == [False, True]
    unbalanced = find_way("example.test", *records, **settings, smtp_balance_inet_protocols=False).relays
    assert [":db8:" in each for each in unbalanced[:2]] == [False, False]


def failed_connections(nexthop: str, **settings: object) -> list[str]:
    """Which of five servers, none of which is there, were tried."""
    tried: list[str] = []

    async def main() -> None:
        servers = [nobody(f"mx{n}.example.test", preference=n) for n in range(5)]
        async with Scene(routes={"example.test": servers}, **settings) as scene:
            await scene.deliver(nexthop)
            tried.extend(text.split()[2].partition("[")[0] for text in scene.failed_connections)

    run(main())
    return tried


@pytest.mark.parameter("smtp_mx_address_limit")
def test_so_many_addresses_are_tried_and_no_more() -> None:
    assert failed_connections("example.test", smtp_mx_address_limit=2) == ["mx0.example.test", "mx1.example.test"]
    assert len(failed_connections("example.test", smtp_mx_address_limit=0)) == 5


@pytest.mark.parameter("smtp_mx_session_limit")
def test_so_many_sessions_are_opened_and_no_more() -> None:
    async def main(limit: int) -> int:
        busy = Rule(match="^MAIL", reply="450 4.3.2 busy")
        async with ScriptedServer(busy) as one, ScriptedServer(busy) as two, ScriptedServer(busy) as three:
            routes = {"example.test": [server_of(peer, preference=n) for n, peer in enumerate((one, two, three))]}
            async with Scene(routes=routes, smtp_mx_session_limit=limit) as scene:
                await scene.deliver("example.test")
            return sum(len(peer.sessions) for peer in (one, two, three))

    assert run(main(1)) == 1
    assert run(main(2)) == 2
    assert run(main(0)) == 3


def left_over(nexthop: str = "[127.0.0.1]:1", **settings: object) -> DeliveryReport:
    """What becomes of mail for a host that is not there."""
    answer: list[DeliveryReport] = []

    async def main() -> None:
        async with ScriptedServer() as peer:
            filled = {name: str(value).replace("PEER", f"[127.0.0.1]:{peer.port}") for name, value in settings.items()}
            async with Scene(**filled) as scene:
                answer.append(await scene.deliver(nexthop))

    run(main())
    return answer[0]


@pytest.mark.parameter("smtp_fallback_relay")
def test_a_fallback_relay_takes_what_nobody_else_takes() -> None:
    assert brief(left_over())[0].startswith("deferred 4.4.1")
    assert brief(left_over(smtp_fallback_relay="PEER"))[0].startswith("sent 2.0.0")


@pytest.mark.parameter("fallback_relay")
def test_the_older_name_of_the_fallback_relay_works_for_smtp() -> None:
    assert brief(left_over(fallback_relay="PEER"))[0].startswith("sent 2.0.0")
    assert settings_of(Transport.LMTP, fallback_relay="[a]").smtp_fallback_relay == ()
    (said,) = settings_of(fallback_relay="[a]").obsolete()
    assert said == f"fallback_relay is obsolete: {said.partition(': ')[2]}"
    assert said.endswith("; set smtp_fallback_relay")


@pytest.mark.parameter("relayhost")
def test_a_relay_host_that_cannot_be_found_defers() -> None:
    """What looks like a fault of our own configuration does not bounce."""

    async def main(**settings: object) -> list[str]:
        from mailrider.route.exchangers import NotFound

        routes = {"relay.example.test": NotFound("5.4.4", "no such host")}
        async with Scene(routes=routes, **settings) as scene:
            return brief(await scene.deliver("relay.example.test"))

    assert run(main())[0].startswith("bounced 5.4.4")
    assert run(main(relayhost="relay.example.test"))[0].startswith("deferred 4.3.5")


@pytest.mark.parameter("best_mx_transport")
def test_mail_for_ourselves_may_be_handed_over() -> None:
    async def main(**settings: object) -> DeliveryReport:
        from mailrider.route.exchangers import NotFound

        loop = NotFound("5.4.6", "mail for example.test loops back to myself", exchanger_is_self=True)
        async with Scene(routes={"example.test": loop}, **settings) as scene:
            return await scene.deliver("example.test")

    assert brief(run(main()))[0].startswith("bounced 5.4.6")
    report = run(main(best_mx_transport="local"))
    assert report.hand_over is not None
    assert report.hand_over.transport == "local"


@pytest.mark.parameter("smtp_tcp_port")
def test_the_port_is_that_of_the_settings() -> None:
    assert find_way("example.test", *MX, smtp_tcp_port=2525).relays == [relay("mx.example.test", "192.0.2.1", 2525)]
    lmtp = find_way("[mx.example.test]", *MX, transport=Transport.LMTP, smtp_tcp_port=2525)
    assert lmtp.relays == [relay("mx.example.test", "192.0.2.1", 24)]


@pytest.mark.parameter("known_tcp_ports")
def test_names_of_ports_are_those_of_the_settings() -> None:
    way = find_way("[mx.example.test]:smtp", *MX, known_tcp_ports="smtp=2626")
    assert way.relays == [relay("mx.example.test", "192.0.2.1", 2626)]


@pytest.mark.parameter("inet_protocols")
@pytest.mark.parametrize(("value", "address"), [("ipv4", "192.0.2.1"), ("ipv6", "2001:db8::1")])
def test_only_families_that_are_in_use_are_asked_for(value: str, address: str) -> None:
    way = find_way("[mx.example.test]", *BOTH, inet_protocols=value)
    assert way.relays == [relay("mx.example.test", address)]
    assert len(way.asked) == 1


def own_addresses(**settings: object) -> tuple[str, ...]:
    read = settings_of(**settings)
    return find_own_addresses(
        read.inet_interfaces,
        read.proxy_interfaces,
        enabled_families(read),
        read_interfaces=lambda: ["127.0.0.1", "192.0.2.1", "192.0.2.2"],
        look_up=lambda host: pytest.fail(f"{host} is looked up"),
    )


@pytest.mark.parameter("inet_interfaces")
def test_mail_that_would_come_back_to_an_interface_is_a_loop() -> None:
    assert own_addresses(inet_interfaces="loopback-only") == ("127.0.0.1",)
    assert own_addresses(inet_interfaces="192.0.2.2") == ("192.0.2.2",)
    assert find_way("example.test", *MX, own=own_addresses(inet_interfaces="192.0.2.1")).status == "5.4.6"
    assert find_way("example.test", *MX, own=own_addresses(inet_interfaces="192.0.2.2")).relays


@pytest.mark.parameter("proxy_interfaces")
def test_mail_that_would_come_back_by_a_proxy_is_a_loop() -> None:
    records = ("example.test MX 10 mx.example.test", "mx.example.test A 192.0.2.77")
    assert find_way("example.test", *records, own=own_addresses()).relays
    assert find_way("example.test", *records, own=own_addresses(proxy_interfaces="192.0.2.77")).status == "5.4.6"


def dial_with(host: str = "127.0.0.1", **settings: object) -> Dialled | DialFailure:
    """Connect to a port at which somebody listens."""
    terms = make_profile(settings_of(**settings), lambda text: None).dialling
    family = Family.IPV6 if ":" in host else Family.IPV4
    try:
        listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        pytest.skip(f"this machine does not have {host}")
    with listening:
        return run(dial(Server("mx.example.test", host, listening.getsockname()[1], family), terms))


def source_of(dialled: Dialled | DialFailure) -> str:
    assert isinstance(dialled, Dialled), dialled
    with dialled.socket as connected:
        return str(connected.getsockname()[0])


@pytest.mark.parameter("smtp_bind_address")
def test_connections_come_from_the_address_that_is_set() -> None:
    assert source_of(dial_with(smtp_bind_address="127.0.0.7")) == "127.0.0.7"


@pytest.mark.parameter("smtp_bind_address6")
def test_the_address_of_one_family_says_nothing_of_the_other() -> None:
    assert source_of(dial_with("::1", smtp_bind_address="127.0.0.7", smtp_bind_address6="::1")) == "::1"
    assert source_of(dial_with(smtp_bind_address6="::1")) == "127.0.0.1"


@pytest.mark.parameter("smtp_bind_address_enforce")
def test_an_address_that_cannot_be_used_may_end_the_attempt() -> None:
    lenient = dial_with(smtp_bind_address="192.0.2.254")
    assert source_of(lenient) == "127.0.0.1"
    assert lenient.warning == "bind 192.0.2.254: Cannot assign requested address"
    strict = dial_with(smtp_bind_address="192.0.2.254", smtp_bind_address_enforce=True)
    assert isinstance(strict, DialFailure)
    assert (strict.status, strict.text) == ("4.4.0", "server configuration error")


@pytest.mark.parameter("tcp_windowsize")
def test_the_buffers_of_a_socket_may_be_set() -> None:
    dialled = dial_with(tcp_windowsize=16384)
    assert isinstance(dialled, Dialled)
    with dialled.socket as connected:
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) in (16384, 32768)  # Linux doubles it


@pytest.mark.parameter("smtp_mx_address_limit")
def test_the_mirror_has_a_limit_of_its_own() -> None:
    assert settings_of(Transport.LMTP, lmtp_mx_address_limit=3, smtp_mx_address_limit=7).smtp_mx_address_limit == 3


@pytest.mark.parameter("dns_nameservers")
def test_the_name_servers_that_are_named_are_asked() -> None:
    from test_wiring import Keeper, engine_of, request

    async def main() -> list[str]:
        async with ZoneServer(["example.test MX 10 mx.example.test"]) as names:
            engine = engine_of(dns_nameservers=f"{names.address}:{names.port}", inet_protocols="ipv4")
            await engine.agent(Transport.SMTP, "smtp").deliver(request("example.test"), Keeper())
            await engine.close()
            return [asked[0] for asked in names.zone.asked]

    assert asyncio.run(main())[:1] == ["example.test"]


@pytest.mark.parameter("helpful_warnings")
def test_a_remedy_may_be_told_with_the_trouble() -> None:
    from mailrider.events import ReplyGarbled
    from mailrider.model.server import Server as Peer
    from observe.test_text import lines_of

    garbled = ReplyGarbled("QID", Peer("mx.test", "192.0.2.1", 25, Family.IPV4), True, "x")
    assert len(lines_of(garbled, helpful=settings_of().helpful_warnings)) > len(
        lines_of(garbled, helpful=settings_of(helpful_warnings=False).helpful_warnings)
    )



def probe(secure: bool, **settings: object) -> tuple[bool, list[tuple[str, str, str]], list[str]]:
    """Whether the name servers are taken to validate, what they were asked, and what was warned of."""
    read = settings_of(**settings)
    warnings: list[str] = []
    zone = Zone(["probe.test A 192.0.2.1"], secure=secure)
    terms = DaneTerms("", TlsLevel.MAY, False, read_digests(read.tls_dane_digests), read.dnssec_probe)
    validates = asyncio.run(Dane(ZoneResolver(zone), terms, warnings.append).check_validation())
    return validates, zone.asked, warnings


@pytest.mark.parameter("dnssec_probe")
def test_one_question_tells_whether_answers_are_validated() -> None:
    validates, asked, warnings = probe(True, dnssec_probe="a:probe.test")
    assert (validates, asked, warnings) == (True, [("probe.test", "A", "udp")], [])
    validates, _, warnings = probe(False, dnssec_probe="a:probe.test")
    assert not validates
    assert warnings[0] == "DNSSEC validation may be unavailable"
