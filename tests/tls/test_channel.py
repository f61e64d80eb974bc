"""A TLS connection in memory: handshakes that end well and badly, text both ways, sessions, channel bindings."""

from __future__ import annotations

import contextlib
import gc
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import TlsTrouble
from mailrider.model.tls import Standing, TlsLevel
from mailrider.testkit.authority import Certificate, make_root, make_self_signed
from mailrider.tls.channel import HANDSHAKE_LIMIT_OCTETS, BrokenChannel, Channel
from mailrider.tls.engine import TlsEngine
from mailrider.tls.protocols import parse_protocols
from mailrider.tls.sessions import KeptSession
from mailrider.tls.terms import Authorities, Handshake, TlsTerms

from .peer import ANY, MemoryServer, shake_hands

RELAY = "mx.example.test[192.0.2.1]:25"
ROOT = make_root("Root")
SERVER = ROOT.issue("mx.example.test", ["mx.example.test"])
OLD = Handshake(parse_protocols("TLSv1.2") or pytest.fail("no protocols"))


class Bench:
    """An engine, and servers to try it on."""

    def __init__(self, folder: Path, certificate: Certificate = SERVER) -> None:
        self.folder = folder
        self.engine = TlsEngine(3600.0, lambda: 0.0)
        self.context = certificate.server_context(folder)
        (folder / "root.pem").write_bytes(ROOT.pem)
        self.authorities = Authorities(str(folder / "root.pem"))

    def connect(self, terms: TlsTerms = ANY) -> tuple[Channel, MemoryServer]:
        server = MemoryServer(SERVER, self.folder, context=self.context)
        channel = self.engine.open(self.engine.prepare(terms), terms, RELAY, "key")
        assert isinstance(channel, Channel)
        shake_hands(channel, server)
        return channel, server


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_text_goes_both_ways(bench: Bench) -> None:
    channel, server = bench.connect()
    channel.encrypt(b"EHLO me\r\n")
    channel.encrypt(bytes(100_000))
    server.take(channel.take_outgoing())
    assert server.heard == b"EHLO me\r\n" + bytes(100_000)
    assert channel.feed(server.say(b"250 you\r\n") + server.say(b"250 again\r\n")) == b"250 you\r\n250 again\r\n"
    assert channel.take_outgoing() == b""


def test_facts(bench: Bench) -> None:
    channel, _ = bench.connect(replace(ANY, server_name="sni.example.test"))
    facts = channel.facts
    assert facts is not None
    assert (facts.protocol, facts.cipher, facts.cipher_bits, facts.algorithm_bits) == (
        "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, 256,
    )  # fmt: skip
    assert facts.key_exchange
    assert facts.summary().startswith("TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange ")
    assert facts.peer.standing is Standing.UNTRUSTED
    assert facts.peer.certificate == SERVER.der
    assert facts.server_name == "sni.example.test"
    assert not facts.verified


def test_an_older_protocol(bench: Bench) -> None:
    channel, _ = bench.connect(replace(ANY, handshake=OLD))
    assert channel.facts is not None
    assert channel.facts.protocol == "TLSv1.2"
    assert channel.facts.key_exchange == ""


def test_authorities_are_asked(bench: Bench) -> None:
    verify = replace(ANY, level=TlsLevel.VERIFY, authorities=bench.authorities, names=("mx.example.test",))
    channel, _ = bench.connect(verify)
    assert channel.facts is not None
    assert channel.facts.verified
    channel, _ = bench.connect(replace(verify, names=("other.test",)))
    assert channel.facts is not None
    assert not channel.facts.verified
    channel, _ = bench.connect(replace(ANY, authorities=bench.authorities))
    assert channel.facts is not None
    assert channel.facts.peer.standing is Standing.TRUSTED


@pytest.mark.parametrize(
    ("certificate", "word"),
    [
        (make_self_signed("mx.example.test", ["mx.example.test"]), "self-signed certificate"),
        (ROOT.issue("mx", ["mx.example.test"], begins_days=-9, ends_days=-1), "certificate has expired"),
        (ROOT.issue("mx", ["mx.example.test"], begins_days=1), "certificate not yet valid"),
        (make_root("Nobody").issue("mx", ["mx.example.test"]), "untrusted issuer /O=Mailrider test/CN=Nobody"),
        (SERVER.issue("mx", ["mx.example.test"]), "verification failed"),
    ],
)
def test_a_bad_certificate_ends_no_handshake(tmp_path: Path, certificate: Certificate, word: str) -> None:
    bench = Bench(tmp_path, certificate)
    terms = replace(ANY, level=TlsLevel.VERIFY, authorities=bench.authorities, names=("mx.example.test",))
    channel, server = bench.connect(terms)
    assert channel.facts is not None
    assert not channel.facts.verified
    assert channel.facts.peer.standing is Standing.UNTRUSTED
    assert word in channel.facts.peer.problem
    channel.encrypt(b"QUIT\r\n")
    server.take(channel.take_outgoing())
    assert server.heard == b"QUIT\r\n"


def test_an_over_long_chain_is_cut_short(tmp_path: Path) -> None:
    authority = ROOT
    for number in range(12):
        authority = authority.issue(f"CA {number}", is_authority=True)
    bench = Bench(tmp_path, authority.issue("mx", ["mx.example.test"]))
    terms = replace(ANY, level=TlsLevel.VERIFY, authorities=bench.authorities, names=("mx.example.test",))
    channel, _ = bench.connect(terms)
    assert channel.facts is not None
    assert channel.facts.peer.chain_length == 13
    assert not channel.facts.verified
    channel, _ = bench.connect(replace(terms, depth=12))
    assert channel.facts is not None
    assert channel.facts.verified


@pytest.mark.parametrize("handshake", [Handshake(), OLD], ids=["1.3", "1.2"])
def test_a_session_is_resumed_under_the_same_terms_only(bench: Bench, handshake: Handshake) -> None:
    terms = replace(
        ANY, level=TlsLevel.VERIFY, handshake=handshake, authorities=bench.authorities, names=("mx.example.test",)
    )

    def resumed(terms: TlsTerms) -> bool:
        channel, server = bench.connect(terms)
        channel.feed(server.say(b"250 Ok\r\n"))
        assert channel.facts is not None
        assert server.tls.session_reused is channel.facts.resumed
        assert channel.facts.peer.certificate == SERVER.der
        assert channel.facts.verified is (terms.names == ("mx.example.test",))
        return channel.facts.resumed

    other = replace(terms, names=("other.test",))
    assert [resumed(terms), resumed(terms), resumed(other), resumed(other), resumed(terms)] == [
        False, True, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("polite", [True, False], ids=["goodbye", "dropped"])
@pytest.mark.parametrize("handshake", [Handshake(), OLD], ids=["1.3", "1.2"])
def test_a_session_serves_more_than_once(bench: Bench, handshake: Handshake, polite: bool) -> None:
    """Not every server gives out a new ticket when it has taken one, nor says goodbye before it hangs up."""
    terms = replace(ANY, handshake=handshake)
    context, kept = bench.engine.prepare(terms), list[KeptSession]()

    def connect(session: KeptSession | None) -> bool:
        gc.collect()  # the last connection is gone, whatever held it
        server = MemoryServer(SERVER, bench.folder, context=bench.context)
        channel = Channel(context, terms, RELAY, kept=session, keep=kept.append)
        shake_hands(channel, server)
        channel.feed(server.say(b"250 Ok\r\n"))
        if polite:
            channel.say_goodbye()
        assert channel.facts is not None
        assert server.tls.session_reused is channel.facts.resumed
        return channel.facts.resumed

    assert [connect(kept[0] if kept else None) for _ in range(4)] == [False, True, True, True]


def test_a_session_is_not_taken_for_resumed_because_it_was_offered(bench: Bench, tmp_path: Path) -> None:
    channel, server = bench.connect()
    channel.feed(server.say(b"250 Ok\r\n"))
    bench.context = make_self_signed("evil", ["mx.example.test"]).server_context(tmp_path, "evil")
    channel, server = bench.connect()
    assert channel.facts is not None
    assert not channel.facts.resumed
    assert not server.tls.session_reused
    assert channel.facts.peer.subject == "evil"


def test_the_end(bench: Bench) -> None:
    channel, server = bench.connect()
    said = server.say(b"bye")
    with pytest.raises(ssl.SSLWantReadError):
        server.tls.unwrap()
    assert channel.feed(said + server.outgoing.read()) == b"bye"
    assert channel.ended
    channel.say_goodbye()
    server.incoming.write(channel.take_outgoing())
    server.tls.unwrap()


def test_what_is_no_tls_is_told(bench: Bench) -> None:
    channel = bench.engine.open(bench.engine.prepare(ANY), ANY, RELAY, "key")
    channel.handshake()
    with pytest.raises(TlsTrouble, match=r"wrong version number|packet|record"):
        channel.handshake(b"250 2.0.0 Ok, this is no TLS at all\r\n")


def test_text_that_is_tampered_with_is_not_heard(bench: Bench) -> None:
    channel, server = bench.connect()
    record = bytearray(server.say(b"250 Ok\r\n"))
    record[-1] ^= 1
    with pytest.raises(TlsTrouble):
        channel.feed(bytes(record))
    assert channel.ended


@pytest.mark.parametrize("handshake", [Handshake(), OLD], ids=["1.3", "1.2"])
def test_clear_text_after_the_handshake_is_not_heard(bench: Bench, handshake: Handshake) -> None:
    channel, server = bench.connect(replace(ANY, handshake=handshake))
    assert channel.feed(server.say(b"250 first\r\n") + b"250 injected\r\n" + server.say(b"250 last\r\n")) == b"250 first\r\n"
    assert channel.ended


def test_a_handshake_without_end_is_ended(bench: Bench) -> None:
    channel = bench.engine.open(bench.engine.prepare(ANY), ANY, RELAY, "key")
    channel.handshake()
    with pytest.raises(TlsTrouble, match="does not come to an end"):
        channel.handshake(bytes(HANDSHAKE_LIMIT_OCTETS + 1))


def test_no_common_protocol(bench: Bench) -> None:
    bench.context.maximum_version = ssl.TLSVersion.TLSv1_2
    only = parse_protocols("TLSv1.3")
    assert only is not None
    with pytest.raises(TlsTrouble):
        bench.connect(replace(ANY, handshake=Handshake(only)))


def test_terms_that_make_no_sense_fail_every_handshake(bench: Bench) -> None:
    for handshake in (Handshake(fault="no such grade"), Handshake(ciphers="NOSUCH")):
        terms = replace(ANY, handshake=handshake)
        channel = bench.engine.open(bench.engine.prepare(terms), terms, RELAY, "key")
        assert isinstance(channel, BrokenChannel)
        with pytest.raises(TlsTrouble):
            channel.handshake()
        with pytest.raises(TlsTrouble):
            channel.feed(b"")
        with pytest.raises(TlsTrouble):
            channel.encrypt(b"")
        assert channel.take_outgoing() == b""
        channel.say_goodbye()


@given(st.binary(max_size=200))
def test_nothing_that_a_server_says_first_does_harm(data: bytes) -> None:
    engine = TlsEngine(0.0, lambda: 0.0)
    channel = engine.open(engine.prepare(ANY), ANY, RELAY, "key")
    channel.handshake()
    with contextlib.suppress(TlsTrouble):
        assert channel.handshake(data) is False


def test_channel_bindings(bench: Bench) -> None:
    channel, server = bench.connect()
    exporter = channel.binding("tls-exporter")
    assert exporter is not None
    assert len(exporter) == 32
    assert channel.binding("tls-unique") is None
    assert channel.binding("tls-server-end-point") is not None
    assert channel.binding("nosuch") is None
    channel, server = bench.connect(replace(ANY, handshake=OLD))
    assert channel.binding("tls-exporter") is None
    assert channel.binding("tls-unique") == server.tls.get_channel_binding("tls-unique")
    channel.feed(server.say(b"x"))
    channel, server = bench.connect(replace(ANY, handshake=OLD))
    assert channel.facts is not None
    assert channel.facts.resumed
    assert channel.binding("tls-unique") == server.tls.get_channel_binding("tls-unique")
