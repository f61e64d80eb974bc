"""Handshakes with a server that is not ours: old protocols, other keys, odd chains (`openssl s_server`)."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailrider.errors import TlsTrouble
from mailrider.model.tls import TlsLevel
from mailrider.testkit.authority import Certificate, make_root
from mailrider.tls.channel import Channel
from mailrider.tls.engine import TlsEngine
from mailrider.tls.terms import Authorities, Handshake, TlsTerms

from .peer import ANY

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed (Debian package openssl)")

PATIENCE_SECONDS = 90.0

ROOT = make_root("Root")
INTERMEDIATE = ROOT.issue("CA", is_authority=True)
SERVER = INTERMEDIATE.issue("mx", ["mx.example.test"])


@contextlib.contextmanager
def serving(folder: Path, certificate: Certificate, *options: str) -> Iterator[int]:
    """A server on a free port."""
    with commanding(folder, certificate, *options) as (port, _):
        yield port


@contextlib.contextmanager
def commanding(
    folder: Path, certificate: Certificate, *options: str
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server on a free port, and the process, which takes orders of one letter on its standard input."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    (folder / "leaf.pem").write_bytes(Certificate(certificate.certificate, certificate.key).pem)
    (folder / "key.pem").write_bytes(certificate.key_pem)
    files = ["-cert", str(folder / "leaf.pem"), "-key", str(folder / "key.pem")]
    if certificate.chain:
        (folder / "chain.pem").write_bytes(certificate.pem.removeprefix((folder / "leaf.pem").read_bytes()))
        files += ["-cert_chain", str(folder / "chain.pem")]
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *files, *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    read_until(process, b"ACCEPT")
    try:
        yield port, process
    finally:
        process.terminate()
        process.communicate()


def read_until(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Read what the server prints about itself, up to a line with this text."""
    assert process.stdout is not None
    while text not in (line := process.stdout.readline()):
        assert line, "s_server has ended"


def connect(port: int, terms: TlsTerms) -> Channel:
    """A handshake with the server.  Raises `TlsTrouble`."""
    with connected(port, terms) as (channel, _):
        return channel


@contextlib.contextmanager
def connected(port: int, terms: TlsTerms) -> Iterator[tuple[Channel, socket.socket]]:
    """The same, and the socket is still open."""
    engine = TlsEngine(0.0, lambda: 0.0)
    channel = engine.open(engine.prepare(terms), terms, "mx", "key")
    assert isinstance(channel, Channel)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        over = channel.handshake()
        while not over:
            connection.sendall(channel.take_outgoing())
            data = connection.recv(65536)
            if not data:
                raise TlsTrouble("lost connection")
            over = channel.handshake(data)
        connection.sendall(channel.take_outgoing())
        yield channel, connection


def order(process: subprocess.Popen[bytes], text: str) -> None:
    """Type something at the server: text for the client, or a letter that it knows."""
    assert process.stdin is not None
    process.stdin.write(text.encode() + b"\n")
    process.stdin.flush()


def hear(channel: Channel, connection: socket.socket) -> bytes:
    """What the server says until it pauses for a line's end or ends; whatever TLS has to answer is sent."""
    heard = b""
    while not channel.ended and not heard.endswith(b"\n"):
        data = connection.recv(65536)
        if not data:
            break
        try:
            heard += channel.feed(data)
        finally:
            with contextlib.suppress(OSError):
                connection.sendall(channel.take_outgoing())
    return heard


def trusting(folder: Path) -> TlsTerms:
    (folder / "root.pem").write_bytes(ROOT.pem)
    return replace(
        ANY, level=TlsLevel.VERIFY, authorities=Authorities(str(folder / "root.pem")), names=("mx.example.test",)
    )


@pytest.mark.parametrize(("option", "protocol"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_protocols(tmp_path: Path, option: str, protocol: str) -> None:
    with serving(tmp_path, SERVER, option) as port:
        facts = connect(port, trusting(tmp_path)).facts
    assert facts is not None
    assert facts.protocol == protocol
    assert facts.verified
    assert facts.peer.chain_length == 2


@pytest.mark.parametrize(("option", "protocol"), [("-tls1", "TLSv1"), ("-tls1_1", "TLSv1.1")])
def test_protocols_of_long_ago_where_nothing_is_demanded(tmp_path: Path, option: str, protocol: str) -> None:
    ciphers = Handshake(ciphers="ALL:COMPLEMENTOFALL:!eNULL")
    with serving(tmp_path, SERVER, option, "-cipher", "ALL:@SECLEVEL=0") as port:
        facts = connect(port, replace(ANY, handshake=ciphers)).facts
        assert facts is not None
        assert facts.protocol == protocol
        with pytest.raises(TlsTrouble):
            connect(port, replace(ANY, handshake=replace_floor(ciphers)))


def replace_floor(handshake: Handshake) -> Handshake:
    return handshake._replace(protocols=handshake.protocols._replace(floor=0x0303))


def test_a_server_that_forgets_its_intermediate_authority(tmp_path: Path) -> None:
    alone = Certificate(SERVER.certificate, SERVER.key)
    with serving(tmp_path, alone) as port:
        facts = connect(port, trusting(tmp_path)).facts
    assert facts is not None
    assert not facts.verified
    assert facts.peer.problem.endswith("untrusted issuer /O=Mailrider test/CN=CA")


def test_a_server_that_shows_its_chain_in_disorder_and_more_than_that(tmp_path: Path) -> None:
    stranger = make_root("Stranger")
    disorder = Certificate(SERVER.certificate, SERVER.key, (stranger.certificate, ROOT.certificate, INTERMEDIATE.certificate))
    with serving(tmp_path, disorder) as port:
        facts = connect(port, trusting(tmp_path)).facts
    assert facts is not None
    assert facts.verified


def test_a_server_without_a_certificate_is_anonymous(tmp_path: Path) -> None:
    handshake = Handshake(ciphers="aNULL")
    with serving(tmp_path, SERVER, "-tls1_2", "-cipher", "aNULL:@SECLEVEL=0") as port:
        facts = connect(port, replace(ANY, handshake=handshake)).facts
    assert facts is not None
    assert facts.peer.standing.value == "Anonymous"
    assert not facts.verified


@pytest.mark.parametrize("letter", ["r", "R"], ids=["plainly", "and wants our certificate"])
def test_nobody_renegotiates_with_us(tmp_path: Path, letter: str) -> None:
    """Under a second handshake inside the first a server could become another one.  This one gives up when we refuse."""
    with commanding(tmp_path, SERVER, "-tls1_2") as (port, process):
        with connected(port, trusting(tmp_path)) as (channel, connection):
            order(process, "220 mx")
            assert hear(channel, connection) == b"220 mx\n"
            before = channel.facts
            order(process, letter)
            heard = b""
            with contextlib.suppress(TlsTrouble, ConnectionError):
                heard = hear(channel, connection)
            assert heard == b""
            assert channel.facts is before
        read_until(process, b"no renegotiation")


@pytest.mark.parametrize("letter", ["k", "K"], ids=["its own", "both"])
def test_new_keys_in_the_middle_of_a_conversation(tmp_path: Path, letter: str) -> None:
    """RFC 8446 §4.6.3: what TLS 1.3 has in the place of renegotiation, and harmless."""
    with (
        commanding(tmp_path, SERVER, "-tls1_3") as (port, process),
        connected(port, trusting(tmp_path)) as (channel, connection),
    ):
        order(process, "220 mx")
        assert hear(channel, connection) == b"220 mx\n"  # and its tickets before that
        for number in range(3):
            order(process, letter)
            assert channel.feed(connection.recv(65536)) == b""
            connection.sendall(channel.take_outgoing())
            order(process, f"220 {number}")
            assert hear(channel, connection) == b"220 %d\n" % number
            channel.encrypt(b"NOOP %d\n" % number)
            connection.sendall(channel.take_outgoing())
        read_until(process, b"NOOP 2")
