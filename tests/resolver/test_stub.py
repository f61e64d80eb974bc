from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.resolver.answer import Answer, HostAddresses, Resolver, Search, Verdict
from mailrider.resolver.stub import QUESTIONS_AT_ONCE_LIMIT, StubResolver
from mailrider.resolver.system import NameServer, ResolverConfiguration
from mailrider.testkit.zone import Zone, ZoneExchange, ZoneServer

from .contract import ResolverContract, native_of

FIRST, SECOND = NameServer("192.0.2.53"), NameServer("192.0.2.54", 5353)


class TestWithoutSockets(ResolverContract):
    @asynccontextmanager
    async def resolver(self, zone: Zone, hosts: Mapping[str, HostAddresses]) -> AsyncIterator[Resolver]:
        yield StubResolver(ResolverConfiguration((FIRST,)), exchange=ZoneExchange(zone), native=native_of(hosts))


class TestOverLoopback(ResolverContract):
    @asynccontextmanager
    async def resolver(self, zone: Zone, hosts: Mapping[str, HostAddresses]) -> AsyncIterator[Resolver]:
        async with ZoneServer(zone) as server:
            # Silence is waited for in earnest here, so not for long; everything else answers at once.
            silent = "TIMEOUT" in {fault.value for fault in zone.faults.values()}
            configuration = ResolverConfiguration((server.name_server,), timeout_seconds=0.01 if silent else 30)
            yield StubResolver(configuration, native=native_of(hosts))


class Servers:
    """An exchange whose servers answer by a function each, and which remembers what was asked."""

    def __init__(self, **servers: Callable[[bytes], bytes]) -> None:
        self.servers = servers
        self.asked: list[tuple[str, bool, bytes]] = []
        self.under_way = 0
        self.most_under_way = 0

    async def ask_datagram(
        self, server: NameServer, query: bytes, is_reply: Callable[[bytes], bool], timeout_seconds: float
    ) -> bytes:
        self.asked.append((server.address, False, query))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        wire = self.servers["first" if server is FIRST else "second"](query)
        if not is_reply(wire):
            raise TimeoutError
        return wire

    async def ask_stream(self, server: NameServer, query: bytes, timeout_seconds: float) -> bytes:
        self.asked.append((server.address, True, query))
        return self.servers["first_stream" if server is FIRST else "second_stream"](query)


def of(zone: Zone) -> Callable[[bytes], bytes]:
    def answer(query: bytes) -> bytes:
        wire = zone.answer(query, stream=False)
        if wire is None:
            raise TimeoutError
        return wire

    return answer


def ask(exchange: Servers, *types: str, name: str = "a.test", attempts: int = 2, dnssec: bool = False) -> Answer:
    configuration = ResolverConfiguration((FIRST, SECOND), attempts=attempts)
    return asyncio.run(StubResolver(configuration, exchange=exchange).ask(name, types or ("A",), dnssec=dnssec))


GOOD = Zone(["a.test A 192.0.2.1"])


def header(query: bytes, flags: int, answers: int = 0) -> bytes:
    """A reply without records to `query`, whatever EDNS it had."""
    end = query.index(b"\0", 12) + 5
    return query[:2] + flags.to_bytes(2, "big") + bytes((0, 1, 0, answers, 0, 0, 0, 0)) + query[12:end]


def refuse_connection(query: bytes) -> bytes:
    raise ConnectionRefusedError


@pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED", "NOTIMP", "TIMEOUT", "GARBAGE"])
def test_the_next_server_is_asked(fault: str) -> None:
    exchange = Servers(first=of(Zone(faults={"a.test/A": fault})), second=of(GOOD))
    assert ask(exchange).verdict is Verdict.FOUND
    assert [address for address, _, _ in exchange.asked] == [FIRST.address, SECOND.address]


def test_a_server_that_nobody_runs_is_passed_over() -> None:
    assert ask(Servers(first=refuse_connection, second=of(GOOD))).verdict is Verdict.FOUND


def test_an_empty_answer_from_nowhere_is_passed_over() -> None:
    exchange = Servers(first=lambda query: header(query, 0x8100), second=of(GOOD))
    assert ask(exchange).verdict is Verdict.FOUND


def test_a_denial_is_believed() -> None:
    exchange = Servers(first=of(Zone()), second=of(GOOD))
    assert ask(exchange).verdict is Verdict.NOT_FOUND
    assert len(exchange.asked) == 1


def test_all_servers_are_asked_as_often_as_configured() -> None:
    exchange = Servers(first=refuse_connection, second=refuse_connection)
    assert ask(exchange, attempts=3).verdict is Verdict.SOFT
    assert [address for address, _, _ in exchange.asked] == [FIRST.address, SECOND.address] * 3


def test_a_server_that_does_not_know_edns_is_asked_without() -> None:
    def old(query: bytes) -> bytes:
        return header(query, 0x8181) if query[11] else of(GOOD)(query)

    exchange = Servers(first=old)
    assert ask(exchange).verdict is Verdict.FOUND
    assert [query[11] for _, _, query in exchange.asked] == [1, 0]


def test_a_format_error_without_question_counts() -> None:
    def old(query: bytes) -> bytes:
        return query[:2] + b"\x81\x81" + bytes(8) if query[11] else of(GOOD)(query)

    assert ask(Servers(first=old)).verdict is Verdict.FOUND


def test_a_failure_without_question_sends_us_to_the_next_server() -> None:
    exchange = Servers(first=lambda query: query[:2] + b"\x81\x82" + bytes(8), second=of(GOOD))
    assert ask(exchange).verdict is Verdict.FOUND


def test_validation_is_never_asked_without_edns() -> None:
    exchange = Servers(first=lambda query: header(query, 0x8181))
    assert ask(exchange, dnssec=True).verdict is Verdict.HARD
    assert len(exchange.asked) == 1
    assert exchange.asked[0][2][2:4] == b"\x01\x20"  # RD and AD
    assert exchange.asked[0][2][-4:] == b"\x80\0\0\0"  # DO


def test_the_second_time_round_goes_without_edns() -> None:
    def drops_edns(query: bytes) -> bytes:
        if query[11]:
            raise TimeoutError
        return of(GOOD)(query)

    assert ask(Servers(first=drops_edns, second=drops_edns)).verdict is Verdict.FOUND


def test_ids_differ() -> None:
    exchange = Servers(first=refuse_connection, second=refuse_connection)
    for _ in range(8):
        ask(exchange)
    assert len({query[:2] for _, _, query in exchange.asked}) > 8


def test_over_tcp_when_truncated() -> None:
    exchange = Servers(first=lambda query: header(query, 0x8380), first_stream=of(GOOD))
    assert ask(exchange).verdict is Verdict.FOUND
    assert [stream for _, stream, _ in exchange.asked] == [False, True]
    assert exchange.asked[0][2] == exchange.asked[1][2]


@pytest.mark.parametrize(
    "broken",
    [
        refuse_connection,
        lambda query: header(query, 0x8380),
        lambda query: b"",
        lambda query: header(b"\xff\xff" + query[2:], 0x8180),
        lambda query: header(query[:12] + query[12:].replace(b"a", b"b"), 0x8180),
    ],
    ids=["refused", "still truncated", "empty", "wrong id", "wrong question"],
)
def test_tcp_that_fails_sends_us_to_the_next_server(broken: Callable[[bytes], bytes]) -> None:
    def truncated(query: bytes) -> bytes:
        return header(query, 0x8380)

    exchange = Servers(first=truncated, first_stream=broken, second=of(GOOD))
    assert ask(exchange).verdict is Verdict.FOUND
    alone = Servers(first=truncated, first_stream=broken, second=truncated, second_stream=broken)
    assert ask(alone).reason.endswith("Host not found, try again")


def test_an_answer_full_of_rubbish_is_malformed() -> None:
    exchange = Servers(first=lambda query: header(query, 0x8180, answers=3) + b"\xff" * 9)
    answer = ask(exchange)
    assert answer.verdict is Verdict.SOFT
    assert answer.reason == "Name service error for name=a.test type=A: Malformed or unexpected name server reply"


def test_other_response_codes_are_hard() -> None:
    exchange = Servers(first=lambda query: header(query, 0x8186))
    assert ask(exchange).reason.endswith("Non-recoverable error")


def test_sockets_are_bounded() -> None:
    exchange = Servers(first=of(GOOD))

    async def main() -> None:
        resolver = StubResolver(ResolverConfiguration((FIRST,)), exchange=exchange)
        await asyncio.gather(*(resolver.ask("a.test", ("A",)) for _ in range(2 * QUESTIONS_AT_ONCE_LIMIT)))

    asyncio.run(main())
    assert exchange.most_under_way == QUESTIONS_AT_ONCE_LIMIT


def test_questions_of_several_types_go_out_together() -> None:
    exchange = Servers(first=of(GOOD))
    ask(exchange, "A", "AAAA")
    assert exchange.most_under_way == 2


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from(["A", "AAAA", "MX", "SRV", "TXT", "TLSA", "CNAME"]), st.booleans())
def test_any_bytes_give_a_verdict(wire: bytes, record_type: str, as_reply: bool) -> None:
    def answer(query: bytes) -> bytes:
        if not as_reply:
            return wire
        # Header and question are right, the rest is anything, and as many records are promised as can be.
        return query[:2] + b"\x81\x80\0\1\xff\xff\0\0\0\0" + query[12 : query.index(b"\0", 12) + 5] + wire

    answered = ask(Servers(first=answer, second=answer, first_stream=answer, second_stream=answer), record_type)
    assert answered.verdict in Verdict
    assert bool(answered.records) == (answered.verdict is Verdict.FOUND)


# The search list (resolv.conf(5))


def search(name: str, search: Search, records: list[str], *, ndots: int = 1, faults: dict[str, str] | None = None) -> Answer:
    configuration = ResolverConfiguration((FIRST,), search=("x.test", "y.test"), ndots=ndots)
    resolver = StubResolver(configuration, exchange=ZoneExchange(Zone(records, faults=faults)))
    return asyncio.run(resolver.ask(name, ("A",), search=search))


BOTH = Search.DEFNAMES | Search.DNSRCH


@pytest.mark.parametrize(
    ("name", "flags", "record", "found"),
    [
        ("a", Search.NONE, "a.x.test A 192.0.2.1", False),
        ("a", Search.DEFNAMES, "a.x.test A 192.0.2.1", True),
        ("a", Search.DEFNAMES, "a.y.test A 192.0.2.1", False),
        ("a", BOTH, "a.y.test A 192.0.2.1", True),
        ("a", Search.DNSRCH, "a.x.test A 192.0.2.1", False),
        ("a.b", Search.DEFNAMES, "a.b.x.test A 192.0.2.1", False),
        ("a.b", Search.DNSRCH, "a.b.x.test A 192.0.2.1", True),
        ("a.b", Search.DNSRCH, "a.b.y.test A 192.0.2.1", True),
        ("a", Search.DEFNAMES, "a A 192.0.2.1", True),
    ],
)
def test_which_names_are_completed(name: str, flags: Search, record: str, found: bool) -> None:
    answer = search(name, flags, [record])
    assert (answer.verdict is Verdict.FOUND) == found
    if found:
        assert answer.records[0].name == record.split()[0]
    else:
        assert f"name={name} " in answer.reason


def test_a_name_with_dots_is_tried_as_it_is_first() -> None:
    records = ["a.b A 192.0.2.1", "a.b.x.test A 192.0.2.2"]
    assert search("a.b", BOTH, records).records[0].data == "192.0.2.1"
    assert search("a.b", BOTH, records, ndots=2).records[0].data == "192.0.2.2"


def test_which_failure_of_a_search_is_told() -> None:
    assert search("a.b", BOTH, ["a.b TXT x"]).reason.endswith("no data record of requested type")
    assert search("a", BOTH, ["a.x.test TXT x"]).reason.endswith("no data record of requested type")
    assert search("a", BOTH, [], faults={"a.x.test/A": "SERVFAIL"}).verdict is Verdict.SOFT
    assert search("a.b", BOTH, [], faults={"a.b.x.test/A": "SERVFAIL"}).verdict is Verdict.NOT_FOUND
    assert search("a", BOTH, ["a A 192.0.2.1"], faults={"a.x.test/A": "SERVFAIL"}).verdict is Verdict.FOUND


def test_a_failure_ends_the_search() -> None:
    answer = search("a", BOTH, ["a.y.test A 192.0.2.1"], faults={"a.x.test/A": "SERVFAIL"})
    assert answer.verdict is Verdict.SOFT


def test_a_name_that_fits_no_packet_cannot_be_asked_for() -> None:
    labels = ["a" * 63] * 3
    for last in ("a" * 62, "a" * 63):
        answer = ask(Servers(), name=".".join([*labels, last]))
        assert answer.verdict is Verdict.HARD
        assert answer.reason.endswith("Non-recoverable error")
    assert ask(Servers(first=of(Zone())), name=".".join([*labels, "a" * 61])).verdict is Verdict.NOT_FOUND


def test_a_completed_name_may_be_too_long() -> None:
    name = ".".join(["a" * 62] * 4)
    assert search(name, BOTH, []).reason.endswith("Host not found")
