"""Time limits: one test for each parameter, on a clock that jumps."""

from __future__ import annotations

import errno
import socket

import pytest

from delivery.scene import Scene, at, brief
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scenes import Talk, settings_of, talk

PLAIN = ("8BITMIME",)
"""Without PIPELINING each command waits for the reply to the one before."""


def silent_at(pattern: str, lmtp: bool = False, keywords: tuple[str, ...] = PLAIN, **settings: object) -> Talk:
    """A server that falls silent when a command comes."""
    return talk(rules=[Rule(match=pattern, then="silence")], keywords=keywords, lmtp=lmtp, **settings)


@pytest.mark.parametrize(
    ("name", "mirror", "pattern", "words"),
    [
        pytest.param(
            "smtp_mail_timeout", "lmtp_mail_timeout", "^MAIL", "sending MAIL FROM",
            marks=pytest.mark.parameter("smtp_mail_timeout"),
        ),
        pytest.param(
            "smtp_rcpt_timeout", "lmtp_rcpt_timeout", "^RCPT", "sending RCPT TO",
            marks=pytest.mark.parameter("smtp_rcpt_timeout"),
        ),
        pytest.param(
            "smtp_data_init_timeout", "lmtp_data_init_timeout", "^DATA", "sending DATA command",
            marks=pytest.mark.parameter("smtp_data_init_timeout"),
        ),
        pytest.param(
            "smtp_helo_timeout", "lmtp_lhlo_timeout", "^[EL]HLO", "performing the",
            marks=pytest.mark.parameter("smtp_helo_timeout"),
        ),
    ],
)  # fmt: skip
def test_a_silent_server_is_left_after_the_time_of_the_stage(name: str, mirror: str, pattern: str, words: str) -> None:
    for lmtp, parameter in ((False, name), (True, mirror)):
        said = silent_at(pattern, lmtp, **{parameter: "7s"})
        assert said.statuses == ["deferred 4.4.2"]
        assert "timed out" in said.text
        assert words in said.text
        assert 7 <= said.seconds < 8


@pytest.mark.parameter("smtp_starttls_timeout")
@pytest.mark.parametrize("rule", [
    Rule(match="^STARTTLS", then="silence"), Rule(match="^STARTTLS", reply="220 2.0.0 Ready", then="silence"),
])  # fmt: skip
def test_starttls_and_the_handshake_have_a_time_of_their_own(rule: Rule) -> None:
    said = talk(rules=[rule], keywords=("STARTTLS",), smtp_tls_security_level="encrypt", smtp_starttls_timeout="8s")
    assert said.statuses[0].startswith("deferred")
    assert 8 <= said.seconds < 9


@pytest.mark.parameter("smtp_data_done_timeout")
def test_the_reply_to_the_dot_has_a_time_of_its_own() -> None:
    said = talk(rules=[Rule(on="dot", then="silence")], smtp_data_done_timeout="9s")
    assert said.statuses == ["deferred 4.4.2"]
    assert 9 <= said.seconds < 10


@pytest.mark.parameter("smtp_data_xfer_timeout")
def test_content_that_nobody_takes_is_given_up() -> None:
    content = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 200_000
    said = talk(rules=[Rule(on="data", then="stall")], keywords=(), content=content, smtp_data_xfer_timeout="11s")
    assert said.statuses == ["deferred 4.4.2"]
    assert "sending message body" in said.text
    assert 11 <= said.seconds < 13


@pytest.mark.parameter("smtp_xforward_timeout")
def test_xforward_has_a_time_of_its_own() -> None:
    settings: dict[str, object] = {"smtp_send_xforward_command": True, "smtp_xforward_timeout": "6s"}
    said = talk(
        rules=[Rule(match="^XFORWARD", then="silence")], keywords=("XFORWARD NAME",),
        options={"client": {"name": "c.test"}}, **settings,
    )  # fmt: skip
    assert said.statuses == ["deferred 4.4.2"]
    assert 6 <= said.seconds < 7


@pytest.mark.parameter("smtp_rset_timeout")
def test_a_kept_connection_that_is_silent_to_rset_is_left_for_a_new_one() -> None:
    keep = {"cache_load": True, "cache_store": True}
    rule = Rule(match="^RSET", then="silence")
    said = talk(rules=[rule], keywords=PLAIN, times=2, options=keep, smtp_rset_timeout="4s")
    assert said.statuses == ["sent 2.0.0"] * 2
    assert len(said.sessions) == 2
    assert 4 <= said.seconds < 6


@pytest.mark.parameter("smtp_quit_timeout")
def test_the_reply_to_quit_has_a_time_of_its_own() -> None:
    rule = Rule(match="^QUIT", then="silence")

    async def main() -> float:
        settings: dict[str, object] = {"smtp_skip_quit_response": False, "smtp_quit_timeout": "1s"}
        async with ScriptedServer(rule) as peer, Scene(**settings) as scene:
            assert brief(await scene.deliver(at(peer)))[0].startswith("sent")
            began = scene.clock.monotonic_seconds()
            await peer.wait_until_alone()
            return scene.clock.monotonic_seconds() - began

    assert 1 <= run(main()) < 2


@pytest.mark.parameter("smtp_connect_timeout")
def test_a_connection_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: object, *arguments: object) -> None:
        import asyncio

        await asyncio.sleep(1_000_000)

    class FarSocket(socket.socket):
        def connect_ex(self, address: object) -> int:
            return errno.EINPROGRESS

    monkeypatch.setattr("virtual_time.VirtualTimeLoop.sock_connect", never, raising=False)
    monkeypatch.setattr(socket, "socket", FarSocket)

    async def main() -> tuple[str, float]:
        async with Scene(smtp_connect_timeout="13s") as scene:
            began = scene.clock.monotonic_seconds()
            report = await scene.deliver("[127.0.0.1]:2525")
            return brief(report)[0], scene.clock.monotonic_seconds() - began

    said, seconds = run(main())
    assert said == "deferred 4.4.1 connect to 127.0.0.1[127.0.0.1]:2525: Connection timed out"
    assert 13 <= seconds < 14


def dripping(**settings: object) -> Talk:
    """A server of which half a reply to MAIL comes after four seconds, and no more."""
    return talk(rules=[Rule(match="^MAIL", delay_seconds=4, raw=b"250 ", then="silence")], keywords=PLAIN, **settings)


@pytest.mark.parameter("smtp_per_request_deadline")
def test_a_time_limit_may_hold_for_a_whole_reply() -> None:
    """Half a reply after four seconds gives another five, unless the five are for all of it."""
    patient = dripping(smtp_mail_timeout="5s")
    strict = dripping(smtp_mail_timeout="5s", smtp_per_request_deadline=True)
    assert 9 <= patient.seconds < 10
    assert 5 <= strict.seconds < 6


@pytest.mark.parameter("smtp_per_record_deadline")
def test_the_older_name_of_the_deadline_works() -> None:
    said = dripping(smtp_mail_timeout="5s", smtp_per_record_deadline=True)
    assert 5 <= said.seconds < 6
    (warned,) = settings_of(smtp_per_record_deadline=True).obsolete()
    assert warned.endswith("; set smtp_per_request_deadline")


@pytest.mark.parameter("smtp_min_data_rate")
def test_content_earns_its_time_by_its_rate() -> None:
    from mailrider.delivery.profile import make_profile
    from mailrider.smtp.stage import CONTENT

    patience = make_profile(
        settings_of(smtp_min_data_rate=100, smtp_per_request_deadline=True, smtp_data_xfer_timeout="50s"), lambda text: None
    ).patience
    assert patience.after_departure(CONTENT, now=10.0, deadline=50.0, octets=500) == 55.0
    assert patience.after_departure(CONTENT, now=10.0, deadline=50.0, octets=5000) == 60.0


@pytest.mark.parameter("daemon_timeout")
def test_a_request_that_takes_too_long_goes_to_no_further_server() -> None:
    async def main(**settings: object) -> tuple[str, int]:
        silent = Rule(match="^MAIL", then="silence")
        async with ScriptedServer(silent, keywords=PLAIN) as one, ScriptedServer(keywords=PLAIN) as other:
            async with Scene(smtp_mail_timeout="100s", **settings) as scene:
                report = await scene.deliver(at(one, other))
            return brief(report)[0], len(other.sessions)

    assert run(main())[1] == 1
    assert run(main(daemon_timeout="90s")) == ("deferred 4.3.0 unknown mail transport error", 0)
