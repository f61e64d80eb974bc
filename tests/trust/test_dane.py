"""Which TLSA records bind a server, and what that makes of the level."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from mailrider.model.server import Server
from mailrider.model.tls import TlsLevel
from mailrider.resolver.answer import Answer, Record, Verdict
from mailrider.tls.tlsa import Tlsa, read_digests
from mailrider.trust.dane import Dane, DaneTerms, Finding, parse_record
from mailrider.trust.demands import DaneDemand
from mailrider.trust.policy import CONFIGURATION_PROBLEM, NoPolicy

from .zone import EXCHANGER, SERVER, Zone, tlsa

DANE, ONLY, HALF, MAY, ENCRYPT = (
    TlsLevel.DANE, TlsLevel.DANE_ONLY, TlsLevel.HALF_DANE, TlsLevel.MAY, TlsLevel.ENCRYPT,
)  # fmt: skip
GOOD = "3 1 1 " + "ab" * 32
RECORD = Tlsa(3, 1, 1, b"\xab" * 32)
TERMS = DaneTerms("", DANE, False, read_digests(("sha512", "sha256")), "ns:.")
QUESTION = "_25._tcp.mx.example.com/TLSA"
LOST = Answer(Verdict.SOFT, reason="nobody answers")


@dataclass
class Case:
    zone: Zone = field(default_factory=lambda: Zone({QUESTION: tlsa(GOOD)}))
    terms: DaneTerms = TERMS
    server: Server = SERVER
    exchanger: Record | None = EXCHANGER
    warnings: list[str] = field(default_factory=list)

    def find(self, level: TlsLevel = DANE) -> Finding | NoPolicy:
        dane = Dane(self.zone, self.terms, self.warnings.append)
        return asyncio.run(dane.find(level, "example.com", "example.com", self.server, self.exchanger))


def demand(*records: Tlsa, base: str = "mx.example.com", names: tuple[str, ...] = ("example.com",)) -> DaneDemand:
    return DaneDemand(records, base, (base, *names))


@pytest.mark.parametrize("level", [DANE, ONLY])
def test_records_make_a_demand(level: TlsLevel) -> None:
    case = Case()
    assert case.find(level) == Finding(level, demand(RECORD))
    assert case.zone.asked == [QUESTION]
    assert not case.warnings


def test_names_of_a_mail_domain_that_is_an_alias() -> None:
    case = Case(exchanger=EXCHANGER._replace(name="real.example.net"))
    assert case.find() == Finding(DANE, demand(RECORD, names=("real.example.net", "example.com")))
    assert Case(exchanger=None).find() == Finding(DANE, demand(RECORD, names=()))


@pytest.mark.parametrize(
    ("answer", "level", "reason"),
    [
        (Answer(Verdict.NOT_FOUND), MAY, "no TLSA records found"),
        (tlsa(GOOD, secure=False), MAY, "no TLSA records found"),
        (tlsa("1 1 1 " + "ab" * 32), ENCRYPT, "TLSA records unusable"),
        (tlsa("3 1 255 " + "ab" * 32), ENCRYPT, "TLSA records unusable"),
        (tlsa("3 1 1"), ENCRYPT, "TLSA records unusable"),
        (tlsa("3 1 1 x"), ENCRYPT, "TLSA records unusable"),
    ],
)
def test_where_there_is_nothing_to_hold_to(answer: Answer, level: TlsLevel, reason: str) -> None:
    assert Case(Zone({QUESTION: answer})).find() == Finding(level, reason=reason)
    assert Case(Zone({QUESTION: answer})).find(ONLY) == NoPolicy("4.7.5", reason)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_any_number_of_records(count: int) -> None:
    records = [f"3 1 1 {number:02x}" + "ab" * 31 for number in range(count)]
    found = Case(Zone({QUESTION: tlsa(*records)})).find()
    assert isinstance(found, Finding)
    assert found.demand is not None
    assert len(found.demand.records) == count


def test_records_of_which_none_can_be_read() -> None:
    case = Case(Zone({QUESTION: tlsa("3 1 1 abcd")}))
    assert case.find() == Finding(ENCRYPT, demand(), "all TLSA records unusable")
    relay = SERVER.relay.lower()
    assert f"{relay}: unusable TLSA RR: 3 1 1 ABCD" in case.warnings
    assert case.warnings[-1] == f"{relay}: all TLSA records unusable, fallback to unauthenticated TLS"
    assert Case(Zone({QUESTION: tlsa("3 1 1 abcd")})).find(ONLY) == Finding(ONLY, demand())


def test_what_can_be_used_counts_beside_what_cannot() -> None:
    found = Case(Zone({QUESTION: tlsa("1 1 1 " + "cd" * 32, GOOD, "3 1 1 abcd")})).find()
    assert found == Finding(DANE, demand(RECORD))


@pytest.mark.parametrize("level", [DANE, ONLY])
@pytest.mark.parametrize("answer", [LOST, Answer(Verdict.HARD, reason="broken"), Answer(Verdict.INVALID, reason="x")])
def test_a_failure_is_no_answer(level: TlsLevel, answer: Answer) -> None:
    case = Case(Zone({QUESTION: answer}))
    assert case.find(level) == NoPolicy("4.7.5", "TLSA lookup error for mx.example.com:25")
    assert case.warnings[0].startswith("DANE TLSA lookup problem: ")


ALIAS = SERVER._replace(canonical_name="real.example.net")
REAL = "_25._tcp.real.example.net/TLSA"


def test_a_validated_alias_is_asked_for_by_its_target_first() -> None:
    case = Case(Zone({REAL: tlsa(GOOD), QUESTION: tlsa("3 1 1 " + "cd" * 32)}), server=ALIAS)
    assert case.find() == Finding(DANE, demand(RECORD, base="real.example.net"))
    case = Case(server=ALIAS)
    assert case.find() == Finding(DANE, demand(RECORD))
    assert case.zone.asked == [REAL, QUESTION]
    assert isinstance(Case(Zone({REAL: LOST, QUESTION: tlsa(GOOD)}), server=ALIAS).find(), NoPolicy)


def test_an_alias_into_a_zone_that_is_not_signed() -> None:
    server = ALIAS._replace(secure=False)
    signed = Answer(Verdict.FOUND, (Record("CNAME", "mx.example.com", "real.example.net", secure=True),))
    case = Case(Zone({"mx.example.com/CNAME": signed, QUESTION: tlsa(GOOD)}), server=server)
    assert case.find() == Finding(DANE, demand(RECORD))
    unsigned = Answer(Verdict.FOUND, (signed.records[0]._replace(secure=False),))
    case = Case(Zone({"mx.example.com/CNAME": unsigned, QUESTION: tlsa(GOOD)}), server=server)
    assert case.find() == Finding(MAY, reason="no TLSA records found")
    case = Case(Zone({"mx.example.com/CNAME": LOST, QUESTION: tlsa(GOOD)}), server=server)
    assert isinstance(case.find(), NoPolicy)
    assert case.warnings == ["DNSSEC status lookup error for mx.example.com: nobody answers"]


def test_an_address_that_is_not_validated() -> None:
    server = SERVER._replace(secure=False)
    case = Case(server=server)
    assert case.find() == Finding(MAY, reason="no TLSA records found")
    assert QUESTION not in case.zone.asked
    forced = Case(server=server, terms=TERMS._replace(force=True))
    assert forced.find() == Finding(DANE, demand(RECORD))


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (MAY, Finding(MAY, reason="non DNSSEC destination")),
        (ENCRYPT, Finding(ENCRYPT, reason="Verification not possible, MX RRset is insecure")),
        (DANE, Finding(HALF, demand(RECORD))),
    ],
)
def test_mx_records_that_are_not_validated(level: TlsLevel, expected: Finding) -> None:
    exchanger = EXCHANGER._replace(secure=False)
    terms = TERMS._replace(insecure_mx_level=level)
    assert Case(terms=terms, exchanger=exchanger).find() == expected
    assert Case(terms=terms, exchanger=exchanger).find(ONLY) == NoPolicy("4.7.5", "non DNSSEC destination")


def test_a_configuration_that_makes_it_impossible() -> None:
    terms = TERMS._replace(obstacle="{} configured with dnssec lookups disabled")
    case = Case(terms=terms)
    found = case.find()
    assert isinstance(found, Finding)
    assert found.level is MAY
    assert case.warnings == ["example.com: dane configured with dnssec lookups disabled"]
    assert Case(terms=terms).find(ONLY) is CONFIGURATION_PROBLEM
    assert Case(server=SERVER._replace(port=0)).find() is CONFIGURATION_PROBLEM


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        (Zone({}, validates=False), "received a response that is not DNSSEC validated"),
        (Zone({"./NS": LOST}), "received no response: nobody answers"),
    ],
)
def test_name_servers_that_do_not_validate_are_told_of_once(zone: Zone, words: str) -> None:
    warnings: list[str] = []
    dane = Dane(zone, TERMS, warnings.append)
    server = SERVER._replace(secure=False)

    async def twice() -> None:
        await dane.find(DANE, "example.com", "example.com", server, EXCHANGER)
        await dane.find(DANE, "example.com", "example.com", server, EXCHANGER)

    asyncio.run(twice())
    assert warnings == ["DNSSEC validation may be unavailable", f"reason: dnssec_probe 'ns:.' {words}"]


def test_name_servers_that_validate_are_believed() -> None:
    case = Case(Zone({}), server=SERVER._replace(secure=False))
    case.find()
    assert case.zone.asked == ["./NS"]
    assert not case.warnings
    case = Case(Zone({}), terms=TERMS._replace(probe=""), server=SERVER._replace(secure=False))
    case.find()
    assert not case.zone.asked


def test_records_as_text() -> None:
    assert parse_record("3 1 1 abCD") == Tlsa(3, 1, 1, b"\xab\xcd")
    assert parse_record("3 1 1 ") is None
    assert parse_record("3 1 1 x") is None
    assert parse_record("") is None
