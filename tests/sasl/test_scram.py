"""The examples of the RFCs, and `scramp` as the server."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.sasl.mechanism import AUTHENTICATION_FAILURE, BAD_PROTOCOL, ChannelBinding, Identity
from mailrider.sasl.scram import DIGESTS, ITERATIONS_LIMIT, PLUS, Scram, encode_name, make_nonce, prepare
from mailrider.sasl.secret import Secret

PENCIL = Identity("user", Secret("pencil"))
NONCE = b"fyko+d2lbbFgONRv9qkxdawL"
SALT = base64.b64encode(b"a grain of salt").decode()


def begin(client: Scram) -> bytes:
    first = client.begin()
    assert first is not None
    return first


def test_the_example_of_rfc_5802() -> None:
    mechanism = Scram(PENCIL, "SCRAM-SHA-1", nonce=lambda: NONCE)
    assert mechanism.begin() == b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"
    answer = mechanism.respond(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
    assert answer == b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    assert mechanism.respond(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=") == b""
    assert mechanism.ended
    assert mechanism.respond(b"") is None


def test_the_example_of_rfc_7677() -> None:
    mechanism = Scram(PENCIL, "SCRAM-SHA-256", nonce=lambda: b"rOprNGfwEbeRWgbNEkqO")
    assert mechanism.begin() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert mechanism.respond(first) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert mechanism.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == b""


BINDING = ChannelBinding("tls-server-end-point", b"\x01" * 32)


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("password", ["secret", "p\u00e4ss\u00adw\u00f6rd \u2168"])
def test_an_independent_server_lets_us_in(name: str, plus: bool, password: str) -> None:
    from scramp import ScramMechanism

    server_side = ScramMechanism(mechanism=name + (PLUS if plus else ""))
    known = server_side.make_auth_info(password)
    binding = (BINDING.kind, BINDING.octets) if plus else None
    server = server_side.make_server(lambda user: known, channel_binding=binding)
    client = Scram(Identity("user", Secret(password)), server_side.name, BINDING if plus else None)
    server.set_client_first(begin(client).decode())
    answer = client.respond(server.get_server_first().encode())
    assert answer is not None
    server.set_client_final(answer.decode())
    assert client.respond(server.get_server_final().encode()) == b""


def test_another_channel_is_noticed() -> None:
    from scramp import ScramException, ScramMechanism

    server_side = ScramMechanism(mechanism="SCRAM-SHA-256-PLUS")
    known = server_side.make_auth_info("secret")
    server = server_side.make_server(lambda user: known, channel_binding=(BINDING.kind, b"\x02" * 32))
    client = Scram(Identity("user", Secret("secret")), server_side.name, BINDING)
    server.set_client_first(begin(client).decode())
    answer = client.respond(server.get_server_first().encode())
    assert answer is not None
    with pytest.raises(ScramException):
        server.set_client_final(answer.decode())


def server_final(client: Scram, first: bytes, answer: bytes, server_first: bytes, password: bytes, iterations: int) -> bytes:
    """What an honest server shows, worked out step by step as in RFC 5802 §3."""
    digest = DIGESTS[client.name]
    salted = hashlib.pbkdf2_hmac(digest, password, b"a grain of salt", iterations)
    bare = first.split(b",", 2)[2]
    message = b",".join((bare, server_first, answer.rpartition(b",p=")[0]))
    server_key = hmac.digest(salted, b"Server Key", digest)
    return b"v=" + base64.b64encode(hmac.digest(server_key, message, digest))


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_every_digest_comes_to_an_end(name: str) -> None:
    client = Scram(Identity("u,s=r", Secret("secret"), sends_authzid=True), name)
    first = begin(client)
    assert first.startswith(b"n,a=u=2Cs=3Dr,n=u=2Cs=3Dr,r=")
    challenge = first.rpartition(b"r=")[2].join((b"r=", f"more,s={SALT},i=100,x=extension".encode()))
    answer = client.respond(challenge)
    assert answer is not None
    assert answer.startswith(b"c=" + base64.b64encode(b"n,a=u=2Cs=3Dr,") + b",r=")
    assert client.respond(server_final(client, first, answer, challenge, b"secret", 100)) == b""


def challenge_with(text: str) -> Scram:
    client = Scram(PENCIL, "SCRAM-SHA-1", nonce=lambda: NONCE)
    client.begin()
    assert client.respond(text.replace("NONCE", NONCE.decode()).encode()) is None
    return client


@pytest.mark.parametrize(
    ("challenge", "said"),
    [
        ("", "input expected"),
        ("garbage", "Invalid SCRAM-SHA-1 input"),
        (f"s={SALT},i=4096", "Invalid SCRAM-SHA-1 input"),
        (f"r=NONCE,s={SALT},i=4096", "nonce"),
        (f"r=zzz,s={SALT},i=4096", "nonce"),
        ("r=NONCEx,s=!!!,i=4096", "base64 encoding of the salt"),
        ("r=NONCEx,s=,i=4096", "salt can't be empty"),
        (f"r=NONCEx,s={SALT},i=abc", "Invalid SCRAM-SHA-1 input"),
        (f"r=NONCEx,s={SALT},i=0", "iteration-count"),
        (f"r=NONCEx,s={SALT},i={ITERATIONS_LIMIT + 1}", "iteration-count"),
        (f"r=NONCEx,s={SALT},i=9999999999", "iteration-count"),
        (f"r=NONCEx,s={SALT},i=99999999999999999999", "Invalid SCRAM-SHA-1 input"),
        (f"m=x,r=NONCEx,s={SALT},i=4096", "Unsupported mandatory extension"),
    ],
)
def test_what_cannot_be_answered(challenge: str, said: str) -> None:
    client = challenge_with(challenge)
    assert client.failure == BAD_PROTOCOL
    assert said in client.warning


@pytest.mark.parametrize(
    ("last", "failure", "said"),
    [
        (b"", BAD_PROTOCOL, "ServerSignature expected"),
        (b"e=invalid-proof", BAD_PROTOCOL, "ServerSignature expected"),
        (b"v=!", BAD_PROTOCOL, "truncated"),
        (b"v=AAAA", BAD_PROTOCOL, "truncated"),
        (b"v=" + base64.b64encode(b"x" * 20), AUTHENTICATION_FAILURE, "ServerSignature mismatch"),
        (b"v=" + base64.b64encode(b"x" * 40), AUTHENTICATION_FAILURE, "ServerSignature mismatch"),
    ],
)
def test_a_server_that_does_not_know_the_password_is_found_out(last: bytes, failure: str, said: str) -> None:
    client = Scram(PENCIL, "SCRAM-SHA-1", nonce=lambda: NONCE)
    client.respond(b"r=" + NONCE + f"x,s={SALT},i=1".encode())
    assert client.respond(last) is None
    assert client.failure == failure
    assert said in client.warning


@given(st.binary(max_size=300))
def test_no_challenge_breaks_it(challenge: bytes) -> None:
    client = Scram(PENCIL, "SCRAM-SHA-256")
    assert client.respond(challenge) is None
    assert client.failure


@given(st.binary(max_size=100))
def test_no_last_word_breaks_it(last: bytes) -> None:
    client = Scram(PENCIL, "SCRAM-SHA-1", nonce=lambda: NONCE)
    client.respond(b"r=" + NONCE + f"x,s={SALT},i=1".encode())
    assert client.respond(b"v=" + last) is None


def test_names_have_no_commas() -> None:
    assert encode_name(b"a,b=c") == b"a=2Cb=3Dc"


def test_nonces_are_not_repeated_and_have_no_commas() -> None:
    nonces = {make_nonce() for _ in range(50)}
    assert len(nonces) == 50
    assert not [nonce for nonce in nonces if b"," in nonce or len(nonce) < 24]


def test_preparation_gives_one_form_and_lets_pass_what_has_none() -> None:
    assert prepare("I\u00adX".encode()) == b"IX"
    assert prepare("\u2168".encode()) == b"IX"
    assert prepare(b"\xff\xfe") == b"\xff\xfe"
    assert prepare("\u0007\u00e4".encode()) == "\u0007\u00e4".encode()
    assert prepare(b"plain") == b"plain"
