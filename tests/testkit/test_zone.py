from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongUsage
from mailrider.model.server import Family
from mailrider.resolver.exchange import NetworkExchange
from mailrider.testkit.zone import Zone, ZoneResolver, ZoneServer

RECORDS = ["a.test MX 20 y.test", "a.test MX 10 z.test", "b.test CNAME a.test", "big.test TXT " + " ".join(["x" * 250] * 8)]


def answer(zone: Zone, name: str, record_type: str, *, stream: bool = False, **options: object) -> dns.message.Message:
    wire = zone.answer(dns.message.make_query(name, record_type, **options).to_wire(), stream=stream)
    assert wire is not None
    return dns.message.from_wire(wire)


def test_packets_are_answered_in_order() -> None:
    message = answer(Zone(RECORDS), "a.test", "MX")
    assert [record.to_text() for record in message.answer[0]] == ["20 y.test.", "10 z.test."]
    assert message.answer[0].ttl == 60
    assert message.flags & dns.flags.RA


def test_aliases_come_with_what_they_lead_to() -> None:
    message = answer(Zone(RECORDS), "B.Test", "MX")
    assert [rrset.name.to_text().lower() for rrset in message.answer] == ["b.test.", "a.test."]


def test_what_is_not_there_has_an_soa() -> None:
    message = answer(Zone(RECORDS), "none.test", "MX")
    assert message.rcode() == dns.rcode.NXDOMAIN
    assert message.authority[0].to_text() == "test. 60 IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60"
    assert answer(Zone(RECORDS), "test", "MX").rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "NXDOMAIN"])
def test_response_codes(fault: str) -> None:
    message = answer(Zone(RECORDS, faults={"A.test/mx": fault}), "a.test", "MX")
    assert message.rcode() == dns.rcode.from_text(fault)
    assert not message.answer


def test_a_fault_at_the_end_of_an_alias() -> None:
    message = answer(Zone(RECORDS, faults={"a.test/*": "SERVFAIL"}), "b.test", "MX")
    assert message.rcode() == dns.rcode.SERVFAIL


def test_silence_and_garbage() -> None:
    query = dns.message.make_query("a.test", "MX").to_wire()
    assert Zone(RECORDS, faults={"a.test/MX": "TIMEOUT"}).answer(query, stream=False) is None
    assert Zone(RECORDS, faults={"a.test/MX": "GARBAGE"}).answer(query, stream=False) == query[:2] + b"\x81\x80" + b"\xff" * 7


def test_truncation() -> None:
    zone = Zone(RECORDS, faults={"a.test/MX": "TRUNCATE"})
    datagram = answer(zone, "a.test", "MX")
    assert datagram.flags & dns.flags.TC
    assert not datagram.answer
    assert not answer(zone, "a.test", "MX", stream=True).flags & dns.flags.TC
    assert zone.asked == [("a.test", "MX", "udp"), ("a.test", "MX", "tcp")]


def test_what_does_not_fit_is_truncated_by_itself() -> None:
    zone = Zone(RECORDS)
    assert answer(zone, "big.test", "TXT").flags & dns.flags.TC
    assert answer(zone, "big.test", "TXT", use_edns=0, payload=4096).answer
    assert answer(zone, "big.test", "TXT", stream=True).answer


def test_the_ad_bit_is_only_for_those_who_ask() -> None:
    zone = Zone(RECORDS, secure=["a.test"])
    assert not answer(zone, "a.test", "MX").flags & dns.flags.AD
    assert answer(zone, "a.test", "MX", want_dnssec=True).flags & dns.flags.AD
    assert not answer(zone, "b.test", "MX", want_dnssec=True).flags & dns.flags.AD


@given(st.binary(max_size=100))
def test_any_packet_is_survived(wire: bytes) -> None:
    reply = Zone(RECORDS).answer(wire, stream=False)
    assert reply is None or reply[:2] == wire[:2]


@pytest.mark.parametrize(
    "line", ["", "a.test", "a.test MX", "a.test MX ten b.test", "a.test NONE x", "a.test A 192.0.2.256", "a..test A 192.0.2.1"]
)
def test_lines_that_are_no_records(line: str) -> None:
    with pytest.raises(WrongUsage):
        Zone([line])


def test_words_that_are_no_faults() -> None:
    with pytest.raises(WrongUsage, match="SERVFAIL"):
        Zone(faults={"a.test/MX": "OOPS"})


def test_hosts_of_one_family() -> None:
    resolver = ZoneResolver(Zone(), {"a.test": ["192.0.2.1", "2001:db8::1"]})

    async def main() -> list[tuple[str, ...]]:
        return [(await resolver.ask_host("a.test", family)).addresses for family in (None, Family.IPV4, Family.IPV6)]

    assert asyncio.run(main()) == [("192.0.2.1", "2001:db8::1"), ("192.0.2.1",), ("2001:db8::1",)]
    assert asyncio.run(resolver.ask_host("b.test")).error == "Name or service not known"


def test_the_server_on_both_transports() -> None:
    query = dns.message.make_query("a.test", "MX").to_wire()

    async def main() -> tuple[bytes, bytes]:
        async with ZoneServer(RECORDS) as server:
            exchange = NetworkExchange()
            return (
                await exchange.ask_datagram(server.name_server, query, lambda wire: True, 30),
                await exchange.ask_stream(server.name_server, query, 30),
            )

    datagram, stream = asyncio.run(main())
    assert datagram == stream
    assert len(dns.message.from_wire(stream).answer[0]) == 2


def test_the_server_closes_a_stream_it_does_not_answer() -> None:
    query = dns.message.make_query("a.test", "MX").to_wire()

    async def main() -> None:
        async with ZoneServer(RECORDS, faults={"a.test/MX": "TIMEOUT"}) as server:
            with pytest.raises(ConnectionResetError):
                await NetworkExchange().ask_stream(server.name_server, query, 30)

    asyncio.run(main())


def test_the_server_ends_while_a_client_hangs_on() -> None:
    async def main() -> bytes:
        async with ZoneServer(RECORDS) as server:
            reader, writer = await asyncio.open_connection(server.address, server.port)
        try:
            with suppress(ConnectionResetError):  # what becomes of a connection that was never accepted
                return await reader.read()
            return b""
        finally:
            writer.close()

    assert asyncio.run(main()) == b""


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        async def main() -> None:
            async with ZoneServer(RECORDS, port=taken.getsockname()[1]):
                pass

        with pytest.raises(OSError):
            asyncio.run(main())
