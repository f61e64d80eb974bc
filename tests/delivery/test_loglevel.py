"""How much is logged of TLS."""

from __future__ import annotations

import pytest

from mailrider.delivery.loglevel import TlsLog, open_loglevels, read_loglevel
from mailrider.model.server import Family, Server
from parameters.scenes import settings_of


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), TlsLog()),
        (("0",), TlsLog()),
        (("1",), TlsLog(summary=True)),
        (("routine", "untrusted"), TlsLog(summary=True, untrusted=True)),
        (("2",), TlsLog(summary=True, certificates=True, matches=True)),
        (("peercert", "certmatch"), TlsLog(certificates=True, matches=True)),
        (("trace",), TlsLog(trace=True)),
        (("cache", "dane", "ssl-session-packet-dump"), TlsLog()),
    ],
)
def test_words(words: tuple[str, ...], expected: TlsLog) -> None:
    assert read_loglevel(words) == expected


SUMMARY, ALL, NOTHING = TlsLog(summary=True), TlsLog(summary=True, certificates=True, matches=True), TlsLog()
MX = Server("mx.dest.test", "192.0.2.1", 25, Family.IPV4)


def level_at(server: Server, table: str, **settings: object) -> tuple[TlsLog, list[str]]:
    warnings: list[str] = []
    levels = open_loglevels(settings_of(smtp_tls_loglevel="1", smtp_tls_loglevel_maps=table, **settings), warnings.append)
    return levels.find(server), warnings


@pytest.mark.parameter("smtp_tls_loglevel_maps")
@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("", SUMMARY),
        ("inline:{other.test=2}", SUMMARY),
        ("inline:{mx.dest.test=2}", ALL),
        ("inline:{mx.dest.test=9}", ALL),
        ("inline:{mx.dest.test=0}", NOTHING),
        ("inline:{ {mx.dest.test = summary, Trace} }", TlsLog(summary=True, trace=True)),
        ("inline:{.dest.test=2}", ALL),
        ("inline:{.test=2}", ALL),
        ("inline:{dest.test=2}", SUMMARY),
        ("inline:{192.0.2.1=2}", ALL),
        ("inline:{192.0=2}", ALL),
        ("inline:{192.0.2.=2}", SUMMARY),
        ("inline:{mx.dest.test=0, 192.0.2.1=2}", NOTHING),
        ("inline:{mx.dest.test=DUNNO, 192.0.2.1=2}", SUMMARY),
        ("inline:{a=b}, inline:{mx.dest.test=2}", ALL),
        ("regexp:{{/^dest\\.test$$/ 2}}", SUMMARY),  # patterns see whole names
        ("regexp:{{/dest\\.test$$/ 2}}", ALL),
    ],
)
def test_the_level_of_a_server(table: str, wanted: TlsLog) -> None:
    assert level_at(MX, table) == (wanted, [])


def test_parents_without_a_dot() -> None:
    parents = {"parent_domain_matches_subdomains": "smtp_tls_loglevel_maps"}
    assert level_at(MX, "inline:{dest.test=2}", **parents) == (ALL, [])
    assert level_at(MX, "inline:{.dest.test=2}", **parents) == (SUMMARY, [])


def test_addresses_and_sockets() -> None:
    assert level_at(Server("2001:db8::1", "2001:db8::1", 25, Family.IPV6), "inline:{2001:db8=2}")[0] == ALL
    assert level_at(Server("192.0.2.1", "192.0.2.1", 25, Family.IPV4), "inline:{.2.1=2}")[0] == SUMMARY
    assert level_at(Server("me.test", "/run/x", 0, Family.UNIX), "inline:{/run/x=2}")[0] == SUMMARY


def test_answers_that_make_no_sense() -> None:
    found, (warning,) = level_at(MX, "inline:{mx.dest.test=loud}")
    assert found == NOTHING
    assert warning == "smtp_tls_loglevel_maps: unknown TLS log level 'loud' for mx.dest.test[192.0.2.1]:25"
    found, warnings = level_at(MX, "fail:broken")
    assert found == SUMMARY
    assert warnings
