"""What every `Resolver` promises; each filling runs all of it (a class derived from `ResolverContract`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager

import pytest

from mailrider.model.server import Family
from mailrider.resolver.answer import RECORDS_LIMIT, Answer, HostAddresses, Resolver, Verdict
from mailrider.testkit.zone import Zone

ERROR = "Host or domain name not found. Name service error for name={} type={}: {}"
MALFORMED = "Name service error for name={} type={}: Malformed or unexpected name server reply"
TRY_AGAIN = "Host not found, try again"
NO_DATA = "Host found but no data record of requested type"


class ResolverContract:
    """Derive from this, and say how to make a resolver for a zone and a hosts file."""

    def resolver(self, zone: Zone, hosts: Mapping[str, HostAddresses]) -> AbstractAsyncContextManager[Resolver]:
        raise NotImplementedError

    def ask(
        self,
        name: str,
        *types: str,
        records: Iterable[str] = (),
        faults: Mapping[str, str] | None = None,
        secure: bool | Iterable[str] = False,
        dnssec: bool = False,
    ) -> Answer:
        async def main() -> Answer:
            async with self.resolver(Zone(records, faults=faults, secure=secure), {}) as resolver:
                return await resolver.ask(name, types, dnssec=dnssec)

        return asyncio.run(main())

    def test_records_come_in_the_order_of_the_zone(self) -> None:
        answer = self.ask("a.test", "MX", records=["a.test MX 20 y.test", "a.test MX 10 z.test", "a.test MX 20 b.test"])
        assert answer.verdict is Verdict.FOUND
        assert answer.reason == ""
        assert [(r.type, r.name, r.data, r.preference) for r in answer.records] == [
            ("MX", "a.test", "y.test", 20),
            ("MX", "a.test", "z.test", 10),
            ("MX", "a.test", "b.test", 20),
        ]

    def test_addresses_of_both_families(self) -> None:
        records = ["a.test AAAA fd00:77::2", "a.test A 192.0.2.1"]
        answer = self.ask("a.test", "A", "AAAA", records=records)
        assert [(r.type, r.data) for r in answer.records] == [("A", "192.0.2.1"), ("AAAA", "fd00:77::2")]
        reverse = self.ask("a.test", "AAAA", "A", records=records)
        assert [r.type for r in reverse.records] == ["AAAA", "A"]

    def test_service_and_tlsa_and_text_records(self) -> None:
        records = ["_s._tcp.a.test SRV 1 2 587 m.test", "_25._tcp.m.test TLSA 3 1 1 " + "AB" * 32, 'a.test TXT "v=x y"']
        (srv,) = self.ask("_s._tcp.a.test", "SRV", records=records).records
        assert (srv.preference, srv.weight, srv.port, srv.data) == (1, 2, 587, "m.test")
        assert self.ask("_25._tcp.m.test", "TLSA", records=records).records[0].data == "3 1 1 " + "ab" * 32
        assert self.ask("a.test", "TXT", records=records).records[0].data == "v=x y"

    def test_what_is_not_there(self) -> None:
        answer = self.ask("a.test", "A", records=["b.test A 192.0.2.1"])
        assert answer.verdict is Verdict.NOT_FOUND
        assert answer.reason == ERROR.format("a.test", "A", "Host not found")
        assert answer.records == ()
        assert 0 < answer.ttl_seconds <= 60

    def test_another_type_is_there(self) -> None:
        answer = self.ask("b.test", "AAAA", records=["b.test A 192.0.2.1"])
        assert (answer.verdict, answer.reason) == (Verdict.NOT_FOUND, ERROR.format("b.test", "AAAA", NO_DATA))

    def test_a_name_below_is_there(self) -> None:
        answer = self.ask("test", "A", records=["b.test A 192.0.2.1"])
        assert answer.reason == ERROR.format("test", "A", NO_DATA)

    def test_the_last_of_equal_reasons_is_told(self) -> None:
        assert self.ask("a.test", "A", "AAAA").reason == ERROR.format("a.test", "AAAA", "Host not found")

    @pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED", "NOTIMP", "TIMEOUT", "GARBAGE"])
    def test_servers_that_do_not_answer_are_a_soft_failure(self, fault: str) -> None:
        answer = self.ask("a.test", "MX", records=["a.test MX 1 b.test"], faults={"a.test/MX": fault})
        assert (answer.verdict, answer.reason) == (Verdict.SOFT, ERROR.format("a.test", "MX", TRY_AGAIN))
        assert answer.ttl_seconds == 0

    def test_a_format_error_is_a_hard_failure(self) -> None:
        answer = self.ask("a.test", "MX", records=["a.test MX 1 b.test"], faults={"a.test/MX": "FORMERR"})
        assert (answer.verdict, answer.reason) == (Verdict.HARD, ERROR.format("a.test", "MX", "Non-recoverable error"))

    def test_faults_that_deny(self) -> None:
        records = ["a.test A 192.0.2.1"]
        denied = self.ask("a.test", "A", records=records, faults={"a.test/A": "NXDOMAIN"})
        assert denied.reason == ERROR.format("a.test", "A", "Host not found")
        empty = self.ask("a.test", "A", records=records, faults={"a.test/*": "NODATA"})
        assert empty.reason == ERROR.format("a.test", "A", NO_DATA)

    def test_an_answer_that_is_too_long_for_a_datagram(self) -> None:
        answer = self.ask("a.test", "A", records=["a.test A 192.0.2.1"], faults={"a.test/A": "TRUNCATE"})
        assert [r.data for r in answer.records] == ["192.0.2.1"]

    @pytest.mark.parametrize(
        ("first", "second", "verdict", "told"),
        [
            ("SERVFAIL", "NXDOMAIN", Verdict.SOFT, "A"),
            ("NXDOMAIN", "SERVFAIL", Verdict.SOFT, "AAAA"),
            ("SERVFAIL", "FORMERR", Verdict.SOFT, "A"),
            ("FORMERR", "NXDOMAIN", Verdict.HARD, "A"),
            ("SERVFAIL", "SERVFAIL", Verdict.SOFT, "AAAA"),
        ],
    )
    def test_the_highest_verdict_wins(self, first: str, second: str, verdict: Verdict, told: str) -> None:
        answer = self.ask("a.test", "A", "AAAA", faults={"a.test/A": first, "a.test/AAAA": second})
        assert answer.verdict is verdict
        assert f"type={told}:" in answer.reason

    def test_what_is_found_outranks_a_failure(self) -> None:
        answer = self.ask("a.test", "A", "AAAA", records=["a.test A 192.0.2.1"], faults={"a.test/AAAA": "SERVFAIL"})
        assert answer.verdict is Verdict.FOUND
        assert answer.reason == ""

    def test_null_mx_even_next_to_others(self) -> None:
        answer = self.ask("a.test", "MX", records=["a.test MX 10 b.test", "a.test MX 0 ."])
        assert (answer.verdict, answer.reason) == (Verdict.NULL_MX, "Domain a.test does not accept mail (nullMX)")

    def test_null_srv(self) -> None:
        answer = self.ask("_s._tcp.a.test", "SRV", records=["_s._tcp.a.test SRV 0 0 0 ."])
        assert answer.verdict is Verdict.NULL_SRV
        assert answer.reason == "Domain _s._tcp.a.test does not support SRV requests"

    def test_only_targets_that_are_no_host_names(self) -> None:
        answer = self.ask("a.test", "MX", records=["a.test MX 10 -bad-.test", "a.test MX 20 1.2.3"])
        assert (answer.verdict, answer.reason) == (Verdict.INVALID, MALFORMED.format("a.test", "MX"))
        assert answer.warnings == (
            "malformed domain name in resource data of MX record for a.test: -bad-.test",
            "malformed domain name in resource data of MX record for a.test: 1.2.3",
        )

    def test_a_bad_target_is_passed_over(self) -> None:
        answer = self.ask("a.test", "MX", records=["a.test MX 10 -bad-.test", "a.test MX 20 b.test"])
        assert [r.data for r in answer.records] == ["b.test"]
        assert len(answer.warnings) == 1

    def test_a_numeric_target_is_taken_with_a_warning(self) -> None:
        answer = self.ask("a.test", "MX", records=["a.test MX 10 192.0.2.1"])
        assert [r.data for r in answer.records] == ["192.0.2.1"]
        assert answer.warnings == ("numeric domain name in resource data of MX record for a.test: 192.0.2.1",)

    @pytest.mark.parametrize("name", ["192.0.2.1", "fd00::1", "-a.test", "a..test", "a.test.", "", "a b", "ä.test", "1.2"])
    def test_names_that_are_not_asked(self, name: str) -> None:
        answer = self.ask(name, "A", records=["a.test A 192.0.2.1"])
        assert answer.verdict is Verdict.NOT_FOUND
        assert answer.reason == f"Name service error for {name}: invalid host or domain name"

    def test_an_alias_in_the_packet(self) -> None:
        answer = self.ask("a.test", "A", records=["a.test CNAME b.test", "b.test CNAME c.test", "c.test A 192.0.2.1"])
        assert [(r.name, r.data) for r in answer.records] == [("c.test", "192.0.2.1")]

    def test_an_alias_over_several_questions(self) -> None:
        records = [f"c{n}.test CNAME c{n + 1}.test" for n in range(40)] + ["c40.test A 192.0.2.1"]
        assert [r.name for r in self.ask("c0.test", "A", records=records).records] == ["c40.test"]

    def test_a_loop_of_aliases(self) -> None:
        answer = self.ask("a.test", "A", records=["a.test CNAME b.test", "b.test CNAME a.test"])
        assert (answer.verdict, answer.reason) == (Verdict.NOT_FOUND, "Name server loop for a.test")
        assert answer.warnings == ("dns_lookup: Name server loop for a.test",)

    def test_a_chain_of_aliases_without_end(self) -> None:
        records = [f"c{n}.test CNAME c{n + 1}.test" for n in range(130)] + ["c130.test A 192.0.2.1"]
        assert self.ask("c0.test", "A", records=records).reason == "Name server loop for c120.test"

    def test_the_list_ends(self) -> None:
        records = [f"a.test A 192.0.2.{n}" for n in range(1, 200)]
        assert len(self.ask("a.test", "A", records=records).records) == RECORDS_LIMIT

    def test_validated_answers(self) -> None:
        records = ["a.test MX 1 b.test", "b.test A 192.0.2.1"]
        assert [r.secure for r in self.ask("a.test", "MX", records=records, secure=["a.test"], dnssec=True).records] == [True]
        assert [r.secure for r in self.ask("b.test", "A", records=records, secure=["a.test"], dnssec=True).records] == [False]
        assert [r.secure for r in self.ask("a.test", "MX", records=records, secure=True).records] == [False]

    @pytest.mark.parametrize(("secure", "expected"), [(["a.test", "b.test"], True), (["a.test"], False), (["b.test"], False)])
    def test_every_step_of_a_chain_must_be_validated(self, secure: list[str], expected: bool) -> None:
        records = ["a.test CNAME b.test", "b.test A 192.0.2.1"]
        answer = self.ask("a.test", "A", records=records, secure=secure, dnssec=True)
        assert [r.secure for r in answer.records] == [expected]

    def test_a_long_chain_must_be_validated_from_the_start(self) -> None:
        records = [f"c{n}.test CNAME c{n + 1}.test" for n in range(20)] + ["c20.test A 192.0.2.1"]
        all_but_first = [f"c{n}.test" for n in range(1, 21)]
        assert self.ask("c0.test", "A", records=records, secure=all_but_first, dnssec=True).records[0].secure is False
        assert self.ask("c0.test", "A", records=records, secure=True, dnssec=True).records[0].secure is True

    def test_the_native_name_service(self) -> None:
        unknown = HostAddresses((), error="Name or service not known", not_found=True)
        known = HostAddresses(("192.0.2.1",))

        async def main() -> list[HostAddresses]:
            async with self.resolver(Zone(), {"a.test": known, "b.test": unknown}) as resolver:
                return [await resolver.ask_host("a.test"), await resolver.ask_host("b.test", Family.IPV4)]

        assert asyncio.run(main()) == [known, unknown]


def native_of(hosts: Mapping[str, HostAddresses]) -> Callable[[str, Family | None], Awaitable[HostAddresses]]:
    """A getaddrinfo(3) that knows `hosts`."""

    async def native(host: str, family: Family | None) -> HostAddresses:
        return hosts[host]

    return native
