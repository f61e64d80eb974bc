"""STARTTLS in the opening script, without a stream: what is said, and what comes of the handshake."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest

from mailrider.errors import ConnectionLost, TimedOut, TlsTrouble, WireTrouble
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.handshake import DELAY_DOTCRLF, Opening, Terms
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import Reply, ReplyParser
from mailrider.smtp.stage import AUTH, AUTH_AFTER_DENIAL, LMTP_AUTH
from mailrider.smtp.starttls import TlsTurn, TlsWish
from mailrider.smtp.wire import ENCRYPT, Want, Wire

PEER = "mx.example.test[192.0.2.1]"
TERMS = Terms(PEER, PEER + ":25", "example.test", "me.example.test", "me.example.test", host="mx.example.test")
OFFER = "250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n"
NOT_GOOD = Refusal(Scope.SITE, "4.7.5", "Server certificate not verified")


class Talk:
    """An opening that is led by hand; `handshakes` counts what it asks for."""

    def __init__(self, turn: TlsTurn, trouble: WireTrouble | None = None, **terms: object) -> None:
        self.notes: list[str] = []
        self.wire = Wire()
        self.opening = Opening(replace(TERMS, **terms), pytest.fail, self.notes.append)  # type: ignore[arg-type]
        self.opening.begin_with(turn)
        self.trouble = trouble
        self.handshakes = 0
        self.said: list[str] = []
        self.over = False
        self.script: Generator[Want, Reply | None, None] = self.opening.run(self.wire)
        self._step(None)

    def _step(self, reply: Reply | None) -> None:
        try:
            want = self.script.send(reply)
            while want is ENCRYPT:
                self.handshakes += 1
                want = self.script.throw(self.trouble) if self.trouble is not None else self.script.send(None)
        except StopIteration:
            self.over = True
        self.said += [line.decode().strip() for line in self.wire.out]
        self.wire.out.clear()

    def hear(self, *replies: str) -> Talk:
        for text in replies:
            for reply in ReplyParser().feed(text.encode()):
                self.wire.answered()
                self._step(reply)
        return self


def talk(wish: TlsWish, *replies: str, trouble: WireTrouble | None = None, **turn: object) -> Talk:
    return Talk(TlsTurn(wish, **turn), trouble).hear(*replies)  # type: ignore[arg-type]


EHLO = "EHLO me.example.test"
NONE, MAY, MUST = TlsWish.NONE, TlsWish.IF_OFFERED, TlsWish.REQUIRED


@pytest.mark.parametrize("wish", [MAY, MUST])
def test_all_is_asked_again_inside_tls(wish: TlsWish) -> None:
    done = talk(wish, "220 mx\r\n", OFFER, "220 go\r\n", "250-mx2\r\n250 DSN\r\n")
    assert done.said == [EHLO, "STARTTLS", EHLO]
    assert done.opening.encrypted
    assert isinstance(done.opening.result, Capabilities)
    assert (done.opening.result.dsn, done.opening.result.pipelining) == (True, False)
    assert done.opening.server_name == "mx2"


def test_ehlo_comes_again_whatever_the_greeting_was() -> None:
    turn = TlsTurn(MAY)
    done = Talk(turn, always_send_ehlo=False).hear("220 mx ESMTP\r\n", OFFER, "220 go\r\n", "550 no\r\n", "250 mx\r\n")
    assert done.said == [EHLO, "STARTTLS", EHLO, "HELO me.example.test"]


def test_an_offer_inside_tls_is_not_taken() -> None:
    done = talk(MUST, "220 mx\r\n", OFFER, "220 go\r\n", OFFER)
    assert done.handshakes == 1
    assert isinstance(done.opening.result, Capabilities)


def test_nobody_wants_tls() -> None:
    done = talk(NONE, "220 mx\r\n", OFFER, notes_offer=True)
    assert done.said == [EHLO]
    assert done.notes == ["Host offered STARTTLS: [mx.example.test]"]
    assert not talk(MAY, "220 mx\r\n", OFFER, "220 go\r\n", OFFER, notes_offer=True).notes


@pytest.mark.parametrize(
    ("reply", "status"), [("454 4.7.0 no\r\n", "4.7.0"), ("501 5.5.4 no\r\n", "5.5.4"), ("354 what\r\n", "5.5.0")]
)
def test_starttls_is_refused(reply: str, status: str) -> None:
    done = talk(MAY, "220 mx\r\n", OFFER, reply)
    assert isinstance(done.opening.result, Capabilities)
    assert not done.opening.result.starttls
    assert not done.opening.encrypted
    done = talk(MUST, "220 mx\r\n", OFFER, reply)
    assert isinstance(done.opening.result, Refusal)
    assert done.opening.result.status == status
    assert f"TLS is required, but host {PEER} refused to start TLS: " in done.opening.result.text
    assert done.said[-1] == "QUIT"


def test_what_a_login_counts_as() -> None:
    assert talk(MAY, "220 mx\r\n", OFFER, "454 no\r\n").opening.login_stage is AUTH_AFTER_DENIAL
    assert talk(MAY, "220 mx\r\n", OFFER, "220 go\r\n", OFFER).opening.login_stage is AUTH
    assert talk(NONE, "220 mx\r\n", OFFER).opening.login_stage is AUTH
    assert Talk(TlsTurn(NONE), lmtp=True).hear("220 mx\r\n", OFFER).opening.login_stage is LMTP_AUTH


def test_workarounds_end_where_tls_begins() -> None:
    def left(turn: TlsTurn, *replies: str) -> tuple[str, ...]:
        opening = Talk(turn, pix_workarounds=lambda: (DELAY_DOTCRLF,)).hear("220 ****\r\n", OFFER, *replies).opening
        assert isinstance(opening.result, Capabilities)
        return opening.pix_workarounds

    assert left(TlsTurn(MAY), "220 go\r\n", "250 mx\r\n") == ()
    assert left(TlsTurn(MAY), "454 no\r\n") == (DELAY_DOTCRLF,)
    assert left(TlsTurn(NONE)) == (DELAY_DOTCRLF,)
    assert left(TlsTurn(MUST, wrapper=True)) == (DELAY_DOTCRLF,)


@pytest.mark.parametrize(
    ("offer", "prepared", "status"),
    [("250 mx\r\n", True, "4.7.4"), (OFFER, False, "4.7.5")],
)
def test_tls_that_cannot_be(offer: str, prepared: bool, status: str) -> None:
    done = talk(MUST, "220 mx\r\n", offer, prepare=lambda: prepared)
    assert isinstance(done.opening.result, Refusal)
    assert done.opening.result.status == status
    assert done.said == [EHLO, "QUIT"]
    assert isinstance(talk(MAY, "220 mx\r\n", offer, prepare=lambda: prepared).opening.result, Capabilities)


@pytest.mark.parametrize("trouble", [TlsTrouble("x"), ConnectionLost("x"), TimedOut("x")])
@pytest.mark.parametrize(("wish", "scope"), [(MAY, Scope.MESSAGE), (MUST, Scope.SITE)])
def test_a_handshake_that_failed_ends_without_a_word(trouble: WireTrouble, wish: TlsWish, scope: Scope) -> None:
    told: list[WireTrouble] = []
    done = talk(wish, "220 mx\r\n", OFFER, "220 go\r\n", trouble=trouble, failed=told.append)
    assert done.opening.result == Refusal(scope, "4.7.5", "Cannot start TLS: handshake failure")
    assert (done.opening.handshake_failed, done.opening.encrypted) == (True, False)
    assert done.said == [EHLO, "STARTTLS"]
    assert not done.wire.reusable
    assert told == [trouble]


def test_a_peer_that_proves_too_little_hears_quit() -> None:
    done = talk(MUST, "220 mx\r\n", OFFER, "220 go\r\n", check_peer=lambda: NOT_GOOD)
    assert done.opening.result is NOT_GOOD
    assert done.said == [EHLO, "STARTTLS", "QUIT"]
    assert not done.opening.handshake_failed


def test_a_wrapper_comes_first() -> None:
    done = talk(MUST, "220 mx\r\n", OFFER, wrapper=True)
    assert done.said == [EHLO]
    assert done.handshakes == 1
    assert done.opening.encrypted
    assert talk(MUST, wrapper=True, prepare=lambda: False).opening.result == Refusal(
        Scope.SITE, "4.7.5", "TLS is required, but our TLS engine is unavailable"
    )
    assert talk(MUST, wrapper=True, check_peer=lambda: NOT_GOOD).said == ["QUIT"]


def test_what_is_lacking_is_asked_for_before_and_inside_tls() -> None:
    asked: list[Capabilities] = []
    refusal = Refusal(Scope.MESSAGE, "5.6.7", "no")

    def object_to(offered: Capabilities) -> Refusal | None:
        asked.append(offered)
        return refusal if len(asked) == 2 else None

    done = Talk(TlsTurn(MAY), object_to=object_to).hear("220 mx\r\n", OFFER, "220 go\r\n", "250 mx\r\n")
    assert done.opening.result is refusal
    assert [offered.starttls for offered in asked] == [True, False]
