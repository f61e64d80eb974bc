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

ROOT = make_root("Root")
INTERMEDIATE = ROOT.issue("CA", is_authority=True)
SERVER = INTERMEDIATE.issue("mx", ["mx.example.test"])


@contextlib.contextmanager
def serving(folder: Path, certificate: Certificate, *options: str) -> Iterator[int]:
    """A server on a free port."""
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
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    while b"ACCEPT" not in (line := process.stdout.readline()):
        assert line, "s_server ends before it begins"
    try:
        yield port
    finally:
        process.terminate()
        process.communicate()


def connect(port: int, terms: TlsTerms) -> Channel:
    """A handshake with the server.  Raises `TlsTrouble`."""
    engine = TlsEngine(0.0, lambda: 0.0)
    channel = engine.open(engine.prepare(terms), terms, "mx", "key")
    assert isinstance(channel, Channel)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        over = channel.handshake()
        while True:
            connection.sendall(channel.take_outgoing())
            if over:
                return channel
            data = connection.recv(65536)
            if not data:
                raise TlsTrouble("lost connection")
            over = channel.handshake(data)


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
