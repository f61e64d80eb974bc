from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from mailrider.sasl.cram_md5 import CRAM_CHALLENGE_LIMIT_OCTETS, CramMd5
from mailrider.sasl.mechanism import BAD_PROTOCOL, Identity
from mailrider.sasl.secret import Secret


def test_the_example_of_rfc_2195() -> None:
    mechanism = CramMd5(Identity("tim", Secret("tanstaaftanstaaf")))
    assert mechanism.begin() is None
    answer = mechanism.respond(b"<1896.697170952@postoffice.reston.mci.net>")
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert mechanism.respond(b"") is None


def test_a_challenge_may_be_empty_and_hold_a_nul() -> None:
    """What Cyrus SASL answers to these."""
    assert CramMd5(Identity("user", Secret("secret"))).respond(b"") == b"user 5c8db03f04cec0f43bcb060023914190"
    assert CramMd5(Identity("user", Secret("secret"))).respond(b"a\0b") == b"user 14c96434fa23325ec63500a00787f315"


def test_a_challenge_is_bounded() -> None:
    mechanism = CramMd5(Identity("user", Secret("secret")))
    assert mechanism.respond(b"x" * (CRAM_CHALLENGE_LIMIT_OCTETS + 1)) is None
    assert mechanism.failure == BAD_PROTOCOL
    assert mechanism.warning == "SASL authentication failure: CRAM-MD5 input longer than 1024 bytes"


@given(st.binary(max_size=CRAM_CHALLENGE_LIMIT_OCTETS), st.binary())
def test_any_challenge_is_answered_with_its_keyed_digest(challenge: bytes, password: bytes) -> None:
    answer = CramMd5(Identity("a user", Secret(password))).respond(challenge)
    assert answer == b"a user " + hmac.new(password, challenge, hashlib.md5).hexdigest().encode()
