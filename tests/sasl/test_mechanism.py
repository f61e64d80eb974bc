from __future__ import annotations

from mailrider.sasl.mechanism import BAD_PROTOCOL, CHALLENGE_LIMIT_OCTETS, GENERIC_FAILURE, Identity, Mechanism
from mailrider.sasl.secret import Secret

IDENTITY = Identity("user", Secret("secret"))


class Echo(Mechanism):
    name = "ECHO"

    def _answer(self, challenge: bytes) -> bytes | None:
        if challenge == b"fail":
            return self._fail("why", "what the log says")
        self.ended = challenge == b"last"
        return challenge


def test_who_has_nothing_to_begin_with_lets_the_server_speak() -> None:
    assert Echo(IDENTITY).begin() is None


def test_a_challenge_after_the_end_is_a_failure() -> None:
    mechanism = Echo(IDENTITY)
    assert mechanism.respond(b"x") == b"x"
    assert mechanism.respond(b"last") == b"last"
    assert mechanism.respond(b"more") is None
    assert mechanism.failure == GENERIC_FAILURE
    assert mechanism.warning == "SASL authentication problem: attempting client step after doneflag"


def test_a_failure_is_for_good() -> None:
    mechanism = Echo(IDENTITY)
    assert mechanism.respond(b"fail") is None
    assert mechanism.respond(b"x") is None
    assert (mechanism.failure, mechanism.warning) == ("why", "what the log says")


def test_a_challenge_is_bounded() -> None:
    mechanism = Echo(IDENTITY)
    assert mechanism.respond(b"x" * CHALLENGE_LIMIT_OCTETS) is not None
    assert mechanism.respond(b"x" * (CHALLENGE_LIMIT_OCTETS + 1)) is None
    assert mechanism.failure == BAD_PROTOCOL


def test_the_authorisation_identity_is_the_user_where_it_is_wanted() -> None:
    assert Identity("u", Secret("")).authzid_octets == b""
    assert Identity("u", Secret(""), sends_authzid=True).authzid_octets == b"u"
    assert Identity("j\udcfc", Secret("")).user_octets == b"j\xfc"
