from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailrider.sasl.bearer import STATUS_LIMIT_CHARACTERS, OAuthBearer, XOAuth2
from mailrider.sasl.mechanism import GENERIC_FAILURE, Identity
from mailrider.sasl.secret import Secret

USER = Identity("user@example.com", Secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="), host="server.example.com")


def test_the_example_of_rfc_7628() -> None:
    """§4.1, without the port, which RFC 7628 §3.1 does not insist on."""
    assert OAuthBearer(USER).begin() == (
        b"n,a=user@example.com,\x01host=server.example.com\x01"
        b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
    )


def test_xoauth2_as_google_has_it() -> None:
    expected = b"user=user@example.com\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
    assert XOAuth2(USER).begin() == expected


def test_names_have_no_commas() -> None:
    assert OAuthBearer(Identity("a,b=c", Secret("t"))).begin().startswith(b"n,a=a=2Cb=3Dc,")


def test_the_servers_reason_is_acknowledged_and_told() -> None:
    for mechanism, expected in ((OAuthBearer(USER), b"\x01"), (XOAuth2(USER), b"")):
        mechanism.begin()
        assert mechanism.respond(b'{"status":"invalid_token"}') == expected
        assert mechanism.warning == f'SASL authentication failure: {mechanism.name}: {{"status":"invalid_token"}}'
        assert mechanism.respond(b"more") is None
        assert mechanism.failure == GENERIC_FAILURE


@given(st.binary(max_size=2048))
def test_what_a_server_says_is_shown_bounded_and_printable(challenge: bytes) -> None:
    mechanism = XOAuth2(USER)
    mechanism.respond(challenge)
    assert mechanism.warning.isascii()
    assert mechanism.warning.isprintable()
    assert len(mechanism.warning) < STATUS_LIMIT_CHARACTERS + 60
