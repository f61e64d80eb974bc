from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailrider.delivery.lookups import Lookups
from mailrider.delivery.profile import Profile
from mailrider.delivery.terms import filter_replies, make_terms
from mailrider.errors import LocalDataError, TableTrouble
from mailrider.events import Event, Noted, Warned
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport
from mailrider.model.server import Family, Server
from mailrider.smtp.handshake import Terms
from mailrider.spool.message import MemoryMessage

from .scene import profile_of

SERVER = Server("mx.example.test", "192.0.2.1", 25, Family.IPV4)
REQUEST = DeliveryRequest(Envelope("", (Recipient("b@example.test"),)), MemoryMessage(b""), "example.test", queue_id="QID")


def fail(key: str) -> str | None:
    raise TableTrouble("hash:/x is unavailable")


def with_lookups(profile: Profile, **lookups: object) -> Profile:
    return replace(profile, lookups=replace(Lookups(), **lookups))  # type: ignore[arg-type]


def terms_of(
    profile: Profile, events: list[Event] | None = None, *, server: Server = SERVER, age_seconds: float = 0.0
) -> Terms:
    told = events if events is not None else []
    return make_terms(server, profile, REQUEST, told.append, age_seconds=age_seconds, is_best_exchanger=True)


def test_the_settings_become_terms() -> None:
    terms = terms_of(profile_of(smtp_helo_name="hello.test", smtp_never_send_ehlo=True, smtp_skip_quit_response=False))
    assert (terms.peer, terms.relay) == ("mx.example.test[192.0.2.1]", "mx.example.test[192.0.2.1]:25")
    assert (terms.helo_name, terms.own_name, terms.nexthop) == ("hello.test", "me.example.test", "example.test")
    assert terms.never_send_ehlo
    assert terms.always_send_ehlo
    assert terms.skip_5xx_greeting
    assert terms.await_quit
    assert terms.is_best_exchanger
    assert not terms.lmtp


@pytest.mark.parametrize(
    ("transport", "port", "looked_for"),
    [(Transport.SMTP, 25, True), (Transport.SMTP, 2525, False), (Transport.LMTP, 25, False)],
)
def test_loops_are_looked_for_on_port_25_of_smtp(transport: Transport, port: int, looked_for: bool) -> None:
    assert terms_of(profile_of(transport), server=SERVER._replace(port=port)).detect_loops is looked_for


# -- keywords ------------------------------------------------------------------------------------------------------------


def test_nothing_is_discarded_and_nothing_said_by_default() -> None:
    events: list[Event] = []
    assert terms_of(profile_of(), events).discard() == ()
    assert events == []


def test_what_is_discarded_is_told_at_every_session() -> None:
    events: list[Event] = []
    terms = terms_of(profile_of(smtp_discard_ehlo_keywords="SIZE, pipelining nonsense"), events)
    assert terms.discard() == terms.discard() == ("PIPELINING", "SIZE")
    assert events == [Noted("discarding EHLO keywords: PIPELINING SIZE")] * 2


@pytest.mark.parametrize("words", ["dsn, silent-discard", "Silent-Discard DSN"])
def test_it_can_be_done_silently(words: str) -> None:
    events: list[Event] = []
    assert terms_of(profile_of(smtp_discard_ehlo_keywords=words), events).discard() == ("DSN",)
    assert events == []


def test_a_map_by_address_takes_the_place_of_the_list() -> None:
    maps = "inline:{{192.0.2.1 = size,DSN}, 192.0.2.2=silent-discard}"
    profile = profile_of(smtp_discard_ehlo_keywords="pipelining", smtp_discard_ehlo_keyword_address_maps=maps)
    assert terms_of(profile).discard() == ("SIZE", "DSN")
    assert terms_of(profile, server=SERVER._replace(address="192.0.2.2")).discard() == ()
    assert terms_of(profile, server=SERVER._replace(address="192.0.2.3")).discard() == ("PIPELINING",)


@pytest.mark.parametrize(
    ("transport", "title"),
    [
        (Transport.SMTP, "smtp_discard_ehlo_keyword_address_maps"),
        (Transport.LMTP, "lmtp_discard_lhlo_keyword_address_maps"),
    ],
)
def test_a_map_that_cannot_answer_is_trouble(transport: Transport, title: str) -> None:
    events: list[Event] = []
    with pytest.raises(LocalDataError):
        terms_of(with_lookups(profile_of(transport), discard_by_address=fail), events).discard()
    assert events == [
        Warned("hash:/x is unavailable", "QID"),
        Warned(f"{title} map lookup error for 192.0.2.1", "QID"),
    ]


# -- hidden greetings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age_seconds", "delayed"), [(0.0, False), (499.9, False), (500.0, True), (9999.0, True)])
def test_the_dot_is_delayed_for_old_mail_only(age_seconds: float, delayed: bool) -> None:
    events: list[Event] = []
    chosen = terms_of(profile_of(), events, age_seconds=age_seconds).pix_workarounds()
    assert chosen == (("disable_esmtp", "delay_dotcrlf") if delayed else ("disable_esmtp",))
    assert events == [Noted(f"enabling PIX workarounds: {' '.join(chosen)} for mx.example.test[192.0.2.1]:25", "QID")]


def test_there_may_be_no_workarounds_at_all() -> None:
    events: list[Event] = []
    assert terms_of(profile_of(smtp_pix_workarounds=""), events).pix_workarounds() == ()
    assert events == []


def test_nothing_may_be_left_of_them() -> None:
    events: list[Event] = []
    assert terms_of(profile_of(smtp_pix_workarounds="delay_dotcrlf"), events).pix_workarounds() == ()
    assert events == [Noted("enabling PIX workarounds:  for mx.example.test[192.0.2.1]:25", "QID")]


def test_a_map_of_workarounds_takes_the_place_of_the_list() -> None:
    profile = profile_of(smtp_pix_workaround_maps="inline:{192.0.2.1=Delay_DotCRLF}", smtp_pix_workaround_threshold_time="0s")
    assert terms_of(profile).pix_workarounds() == ("delay_dotcrlf",)
    elsewhere = SERVER._replace(address="192.0.2.2")
    assert terms_of(profile, server=elsewhere).pix_workarounds() == ("disable_esmtp", "delay_dotcrlf")


def test_a_map_of_workarounds_that_cannot_answer_is_no_reason_to_stop() -> None:
    events: list[Event] = []
    assert terms_of(with_lookups(profile_of(), pix_by_address=fail), events).pix_workarounds() == ("disable_esmtp",)
    assert events[0] == Warned("hash:/x is unavailable", "QID")


# -- replies -------------------------------------------------------------------------------------------------------------


def test_without_a_reply_filter_nobody_pays_for_one() -> None:
    assert filter_replies(profile_of(), "QID", lambda event: None) is None


def test_a_reply_filter_gives_another_line_or_none(tmp_path: Path) -> None:
    (tmp_path / "filter").write_text("/^250 x/ 550 y\n")
    profile = profile_of(smtp_reply_filter=f"regexp:{tmp_path}/filter")
    rewrite = filter_replies(profile, "QID", lambda event: None)
    assert rewrite is not None
    assert rewrite("250 x") == "550 y"
    assert rewrite("250 y") is None


def test_a_reply_filter_that_cannot_answer_is_trouble() -> None:
    events: list[Event] = []
    profile = with_lookups(profile_of(smtp_reply_filter="inline:{a=b}"), reply_filter=fail)
    rewrite = filter_replies(profile, "QID", events.append)
    assert rewrite is not None
    with pytest.raises(LocalDataError):
        rewrite("250 x")
    assert events == [
        Warned("hash:/x is unavailable", "QID"),
        Warned("table inline:{a=b} lookup error for 250 x", "QID"),
    ]
