from __future__ import annotations

from mailrider.sasl.mechanism import BAD_PROTOCOL, GENERIC_FAILURE, Identity, Mechanism
from mailrider.sasl.secret import Secret
from mailrider.sasl.simple import Anonymous, External, Login, Plain

TIM = Identity("tim", Secret("tanstaaftanstaaf"), own_name="host.example")
TIM_AS_TIM = Identity("tim", Secret("tanstaaftanstaaf"), sends_authzid=True, own_name="host.example")


def test_plain_says_everything_at_once() -> None:
    """The example of RFC 4616 §4."""
    assert Plain(TIM).begin() == b"\0tim\0tanstaaftanstaaf"
    assert Plain(TIM_AS_TIM).begin() == b"tim\0tim\0tanstaaftanstaaf"


def test_plain_takes_octets_that_are_no_text() -> None:
    assert Plain(Identity("j\u00fc", Secret(b"\xff"))).begin() == b"\0j\xc3\xbc\0\xff"


def test_what_ends_with_the_beginning_answers_no_challenge() -> None:
    for mechanism in (Plain(TIM), External(TIM), Anonymous(TIM)):
        mechanism.begin()
        assert mechanism.respond(b"") is None
        assert mechanism.failure == GENERIC_FAILURE


def test_a_challenge_before_the_beginning_has_no_answer() -> None:
    early = Plain(TIM)
    assert early.respond(b"") is None
    assert early.failure == BAD_PROTOCOL
    assert early.warning == "SASL authentication failure: PLAIN was asked before it began"


def test_login_says_user_and_password_whatever_the_server_asks() -> None:
    for prompts in ((b"Username:", b"Password:"), (b"", b""), (b"User Name\0", b"password"), (b"Password:", b"Username:")):
        login: Mechanism = Login(TIM)
        assert login.begin() is None
        assert [login.respond(prompt) for prompt in prompts] == [b"tim", b"tanstaaftanstaaf"]
        assert login.respond(b"Token:") is None


def test_external_says_who_we_want_to_be() -> None:
    assert External(TIM).begin() == b""
    assert External(TIM_AS_TIM).begin() == b"tim"


def test_anonymous_says_where_we_are() -> None:
    assert Anonymous(TIM).begin() == b"anonymous@host.example"
    assert Anonymous(TIM_AS_TIM).begin() == b"tim@host.example"


def test_nobody_cannot_log_in() -> None:
    """As with Cyrus SASL; EXTERNAL and ANONYMOUS have no need of a user."""
    nobody = Identity("", Secret("password"))
    assert Plain(nobody).begin() is None
    login = Login(nobody)
    assert login.respond(b"Username:") is None
    assert login.failure == GENERIC_FAILURE
    assert login.warning == "SASL authentication failure: All-whitespace username."
    assert External(nobody).begin() == b""
