from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.sasl.digest_md5 import DigestMd5, parse_directives
from mailrider.sasl.mechanism import AUTHENTICATION_FAILURE, GENERIC_FAILURE, NOT_MUTUAL, Identity
from mailrider.sasl.secret import Secret

CHRIS = Identity("chris", Secret("secret"), service="imap", host="elwood.innosoft.com")
RFC_CHALLENGE = b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'
USER = Identity("user", Secret("secret"), host="MX1.Example.Test")


def of_rfc() -> DigestMd5:
    return DigestMd5(CHRIS, lambda: b"OA6MHXh6VqTrRk")


def test_the_example_of_rfc_2831() -> None:
    """§4; the directives stand in the order of Cyrus SASL, and charset is not repeated."""
    mechanism = of_rfc()
    assert mechanism.begin() is None
    answer = mechanism.respond(RFC_CHALLENGE)
    assert answer == (
        b'username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",cnonce="OA6MHXh6VqTrRk",nc=00000001,'
        b'qop=auth,digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7'
    )
    assert mechanism.respond(b"rspauth=ea40f60335c427b5527b84dbabcdfffd") == b""
    assert mechanism.ended
    assert mechanism.respond(b"") is None


# What Cyrus SASL 2.1.28 answered, with the nonce that it had made.
RECORDED = [
    (
        USER, b'nonce="n1",realm="example.test",qop="auth",charset=utf-8,algorithm=md5-sess',
        b"6you6ZWverDCl2nJSnefywGV/FdpWtXCq1WcDtuFtu0=", b"example.test", b"fc1cd5d6f921a15fc7d13e510119ccf1",
    ),
    (
        USER, b'nonce="n1",qop="auth",algorithm=md5-sess',
        b"O60xv7CpXkRdJxtjAW+F25+V3hR0ZzFXjyE3RMpE3zA=", b"mx1.example.test", b"dbf368cb5ad997ddc7b6fd91eb9992da",
    ),
    (
        USER, b'nonce="n1",realm="a",realm="b",qop="auth",algorithm=md5-sess',
        b"XIIs6zoGSSF/FHhBKyC/PvUhFSnR5P+MkeUrqKGQDS0=", b"mx1.example.test", b"5a52699c74e4c740c358504ec0023999",
    ),
    (
        USER, b'nonce="n1",realm="a",qop="auth-int,auth-conf,auth",cipher="rc4,3des,des",maxbuf=65536,algorithm=md5-sess',
        b"JyHwb2U/qUZh2myhUXhgeL9t/MC/7oOsBLKYyZLDsDI=", b"a", b"67fb11a57f14376060dfa70bff3e8444",
    ),
    (
        USER, b'nonce="n1",realm="a",algorithm=md5-sess,stale=false',
        b"ha73tLZNmutyUoBbYF5/sjiFnnw5j41T94IC9aSquOE=", b"a", b"a54f5a237d2344e43d004af6cae24207",
    ),
    (
        USER, b'nonce="n1",realm="a\\"b",qop="auth",algorithm=md5-sess,foo="bar",charset=utf-8',
        b"y9aGDqO51avgZZXqtXyp3VLx/1PFLsq4AlEKKO7RvSA=", b'a\\"b', b"71063511fe2fb2fc517544b1945a6b02",
    ),
    (
        Identity("j\u00fcrgen", Secret("p\u00e4ssw\u00f6"), host="mx1.example.test"),
        b'nonce="n1",realm="example.test",qop="auth",charset=utf-8,algorithm=md5-sess',
        b"7ZaAGwt2TcIkSev2gkHQGsjxfRwQTnS7fNjJvSKw+Mg=", b"example.test", b"a36348f16fa619efee04da16f8f8e82f",
    ),
    (
        USER, b'nonce="n1",realm="",qop="auth",algorithm=md5-sess',
        b"UGs+0dURt+YIul0UHwh4HwpYIm3mjwscNgVt6V2AyoU=", b"", b"421ece" b"d39b8c3176fc13fb7262e25dbc",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("identity", "challenge", "cnonce", "realm", "response"), RECORDED)
def test_it_answers_as_cyrus_sasl_does(
    identity: Identity, challenge: bytes, cnonce: bytes, realm: bytes, response: bytes
) -> None:
    answer = DigestMd5(identity, lambda: cnonce).respond(challenge)
    assert answer is not None
    assert b'realm="' + realm + b'"' in answer
    assert answer.endswith(b",response=" + response)


def test_quotes_are_escaped() -> None:
    answer = DigestMd5(Identity('us"er\\', Secret("x"))).respond(RFC_CHALLENGE)
    assert answer is not None
    assert answer.startswith(b'username="us\\"er\\\\",')


def test_the_authorisation_identity_is_digested_and_sent() -> None:
    with_it = DigestMd5(Identity("u", Secret("p"), sends_authzid=True), lambda: b"c").respond(RFC_CHALLENGE)
    without = DigestMd5(Identity("u", Secret("p")), lambda: b"c").respond(RFC_CHALLENGE)
    assert with_it is not None
    assert without is not None
    assert with_it.endswith(b',authzid="u"')
    assert dict(parse_directives(with_it) or ())["response"] != dict(parse_directives(without) or ())["response"]


@pytest.mark.parametrize(
    ("challenge", "failure", "said"),
    [
        (b"", GENERIC_FAILURE, "no server challenge"),
        (b"garbage", AUTHENTICATION_FAILURE, "Parse error"),
        (b'nonce="n1', AUTHENTICATION_FAILURE, "Parse error"),
        (b'realm="a",qop="auth",algorithm=md5-sess', GENERIC_FAILURE, "Don't have nonce."),
        (b'nonce="n1",realm="a",qop="auth"', GENERIC_FAILURE, "Must see 'algorithm' once"),
        (b'nonce="n1",algorithm=md5-sess,algorithm=md5-sess', GENERIC_FAILURE, "Must see 'algorithm' once"),
        (b'nonce="n1",realm="a",qop="auth",algorithm=md5', GENERIC_FAILURE, "'algorithm' isn't 'md5-sess'"),
        (b'nonce="n1",realm="a",qop="auth-int",algorithm=md5-sess', GENERIC_FAILURE, 'no layer"'),
        (b'nonce="n1",algorithm=md5-sess,maxbuf=8', AUTHENTICATION_FAILURE, "maxbuf"),
        (b'nonce="n1",algorithm=md5-sess,maxbuf=many', AUTHENTICATION_FAILURE, "maxbuf"),
        (b'nonce="n1",algorithm=md5-sess,charset=latin', AUTHENTICATION_FAILURE, "Charset must be UTF-8"),
    ],
)
def test_what_cannot_be_answered(challenge: bytes, failure: str, said: str) -> None:
    mechanism = DigestMd5(USER)
    assert mechanism.respond(challenge) is None
    assert mechanism.failure == failure
    assert said in mechanism.warning


@pytest.mark.parametrize("last", [b"", b"rspauth=00", b"rspauth=ea40f60335c427b5527b84dbabcdffff", b"garbage"])
def test_a_server_that_does_not_know_the_password_is_found_out(last: bytes) -> None:
    mechanism = of_rfc()
    mechanism.respond(RFC_CHALLENGE)
    assert mechanism.respond(last) is None
    assert mechanism.failure == NOT_MUTUAL
    assert not mechanism.ended


@given(st.binary(max_size=300))
def test_no_challenge_breaks_it(challenge: bytes) -> None:
    mechanism = DigestMd5(USER)
    answer = mechanism.respond(challenge)
    assert (answer is None) == bool(mechanism.failure)


NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1)


@given(st.lists(st.tuples(NAMES, st.binary())))
def test_directives_come_back_as_they_were_written(pairs: list[tuple[str, bytes]]) -> None:
    text = b",".join(
        name.encode() + b'="' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"' for name, value in pairs
    )
    assert parse_directives(text) == pairs
