"""Contexts: which files make one, and which make none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from OpenSSL import SSL

from mailrider.testkit.authority import make_root
from mailrider.tls.context import Unavailable, Unusable, is_option, make_context
from mailrider.tls.protocols import Protocols
from mailrider.tls.terms import NO_AUTHORITIES, NOBODY, Authorities, Handshake, Identity, KeyPair

ROOT = make_root()
INTERMEDIATE = ROOT.issue("CA", is_authority=True)
CLIENT = INTERMEDIATE.issue("client")
PLAIN = Handshake()


def make(
    handshake: Handshake = PLAIN,
    authorities: Authorities = NO_AUTHORITIES,
    identity: Identity = NOBODY,
    warn: Callable[[str], None] | None = None,
) -> object:
    return make_context(handshake, authorities, identity, 9, warn or (lambda _: None))


def reason(made: object) -> str:
    assert isinstance(made, Unavailable)
    assert made.warnings[-1] == "disabling TLS support"
    return made.warnings[0]


def test_authorities(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    assert isinstance(make(authorities=Authorities(str(tmp_path / "ca.pem"))), SSL.Context)
    assert isinstance(make(authorities=Authorities(path=str(tmp_path))), SSL.Context)
    assert isinstance(make(authorities=Authorities(append_default=True)), SSL.Context)
    missing = make(authorities=Authorities(str(tmp_path / "nosuch")))
    assert reason(missing).startswith("cannot load Certification Authority data, CAfile=")
    (tmp_path / "empty.pem").write_bytes(b"")
    reason(make(authorities=Authorities(str(tmp_path / "empty.pem"))))


def test_a_certificate_and_its_key(tmp_path: Path) -> None:
    both = str(CLIENT.write(tmp_path, "both"))
    assert isinstance(make(identity=Identity(pairs=(KeyPair(both, both),))), SSL.Context)
    other = str(ROOT.issue("other").write(tmp_path, "other"))
    assert reason(make(identity=Identity(pairs=(KeyPair(both, other),)))).startswith("cannot get private key from file")
    assert reason(make(identity=Identity(pairs=(KeyPair("/nosuch", both),)))).startswith("cannot get certificate from file")


def test_chain_files(tmp_path: Path) -> None:
    both = str(CLIENT.write(tmp_path, "both"))
    (tmp_path / "two.pem").write_bytes(Path(both).read_bytes() + Path(ROOT.issue("x").write(tmp_path, "x")).read_bytes())
    assert isinstance(make(identity=Identity((both,))), SSL.Context)
    assert isinstance(make(identity=Identity((str(tmp_path / "two.pem"),))), SSL.Context)
    # Key and chain may stand in files that follow each other.
    (tmp_path / "key.pem").write_bytes(CLIENT.key_pem)
    (tmp_path / "chain.pem").write_bytes(CLIENT.pem)
    assert isinstance(make(identity=Identity((str(tmp_path / "key.pem"), str(tmp_path / "chain.pem")))), SSL.Context)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "no private key found"),
        (CLIENT.pem, "no private key found"),
        (CLIENT.pem + CLIENT.key_pem, "certificate before its private key"),
        (CLIENT.key_pem, "private key without certificate"),
        (CLIENT.key_pem + CLIENT.key_pem + CLIENT.pem, "private key without certificate"),
        (CLIENT.key_pem + ROOT.pem, "error loading chain"),
        (b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n" + CLIENT.pem, "error loading chain"),
    ],
)
def test_bad_chain_files(tmp_path: Path, text: bytes, expected: str) -> None:
    (tmp_path / "chain.pem").write_bytes(text)
    assert expected in reason(make(identity=Identity((str(tmp_path / "chain.pem"),))))


def test_a_chain_file_that_is_not_there(tmp_path: Path) -> None:
    nosuch = str(tmp_path / "nosuch")
    both = str(CLIENT.write(tmp_path, "both"))
    for files in ((nosuch,), (both, nosuch), (nosuch, both)):
        told: list[str] = []
        assert isinstance(make(identity=Identity(files), warn=told.append), SSL.Context)
        assert len(told) == 1
        assert told[0].startswith(f"error opening chain file: {nosuch}: ")


@pytest.mark.parametrize(
    "handshake",
    [
        Handshake(ciphers="NOSUCH"),
        Handshake(ciphers="ALL:!ALL"),
        Handshake(ciphers="\u00e9"),
        Handshake(protocols=Protocols(floor=0x1234)),
        Handshake(protocols=Protocols(ceiling=0xFFFFFFFF)),
        Handshake(fault="nonsense"),
    ],
)
def test_what_can_only_fail(handshake: Handshake) -> None:
    assert isinstance(make(handshake), Unusable)


@pytest.mark.parametrize("name", ["LEGACY_SERVER_CONNECT", "NO_TICKET", "NO_ANTI_REPLAY", "NOSUCH"])
def test_options(name: str) -> None:
    assert isinstance(make(Handshake(options=(name,), bug_workarounds_off=("TLSEXT_PADDING", "CVE-2005-2969"))), SSL.Context)


def test_options_by_number() -> None:
    def options(*words: str) -> int:
        context = make(Handshake(options=words))
        assert isinstance(context, SSL.Context)
        return context.set_options(0)

    plain = options()
    assert options("0x4000") == options("NO_TICKET") == plain | 0x4000
    assert options("0x14000", "0x1") == plain | 0x14001
    assert options(f"0x{0x10 | 1 << 6 | 1 << 27:x}") == plain  # work-arounds and versions have parameters of their own
    assert is_option("0x4000", "tls_ssl_options")
    assert not is_option("TLSEXT_PADDING", "tls_ssl_options")
    assert is_option("TLSEXT_PADDING", "tls_disable_workarounds")
    assert not is_option("0xg", "tls_disable_workarounds")


def test_workarounds_by_number() -> None:
    def options(*words: str) -> int:
        context = make(Handshake(bug_workarounds_off=words))
        assert isinstance(context, SSL.Context)
        return context.set_options(0)

    assert options("0x10") == options("TLSEXT_PADDING") == options() & ~0x10
    assert options("TLSEXT_PADDING", "0x800") == options("TLSEXT_PADDING", "DONT_INSERT_EMPTY_FRAGMENTS")
