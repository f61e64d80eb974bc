"""The conversation: one test for each parameter."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.scene import Scene, at
from mailrider.model.request import Transport
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scenes import settings_of, talk

PIX = Rule(on="greeting", reply="220 **2******0")
CHUNKING = ("PIPELINING", "8BITMIME", "CHUNKING")
LONG = b"Subject: x\r\n\r\n" + b"y" * 1200 + b"\r\n"


def inline(*pairs: str) -> str:
    """A small table."""
    return "inline:{ " + ", ".join(f"{{{pair}}}" for pair in pairs) + " }"


@pytest.mark.parameter("smtp_always_send_ehlo")
def test_ehlo_may_wait_for_a_greeting_that_says_esmtp() -> None:
    plain, extended = Rule(on="greeting", reply="220 mx hello"), Rule(on="greeting", reply="220 mx Esmtp hello")
    assert talk(rules=[plain]).commands[0].startswith("EHLO")
    assert talk(rules=[plain], smtp_always_send_ehlo=False).commands[0].startswith("HELO")
    assert talk(rules=[extended], smtp_always_send_ehlo=False).commands[0].startswith("EHLO")


@pytest.mark.parameter("smtp_never_send_ehlo")
def test_helo_may_be_all_that_is_said() -> None:
    said = talk(smtp_never_send_ehlo=True, content=b"Subject: x\r\n\r\ntext\r\n")
    assert said.commands[:2] == ["HELO me.example.test", "MAIL FROM:<a@example.test>"]


@pytest.mark.parameter("smtp_helo_name")
def test_we_are_called_what_the_settings_say() -> None:
    assert talk(smtp_helo_name="h.example.test").commands[0] == "EHLO h.example.test"
    assert talk(lmtp=True, lmtp_lhlo_name="l.example.test", smtp_helo_name="h").commands[0] == "LHLO l.example.test"


@pytest.mark.parameter("smtp_discard_ehlo_keywords")
def test_extensions_may_count_as_not_offered() -> None:
    assert "SIZE=" in talk().commands[1]
    assert "SIZE=" not in talk(smtp_discard_ehlo_keywords="size, silent-discard").commands[1]
    assert "SIZE=" not in talk(lmtp=True, lmtp_discard_lhlo_keywords="size").commands[1]


@pytest.mark.parameter("smtp_discard_ehlo_keyword_address_maps")
def test_a_table_by_address_takes_the_place_of_the_list() -> None:
    maps = inline("127.0.0.1 = pipelining")
    said = talk(smtp_discard_ehlo_keyword_address_maps=maps, smtp_discard_ehlo_keywords="size")
    assert "SIZE=" in said.commands[1]


@pytest.mark.parameter("smtp_skip_5xx_greeting")
def test_a_5xx_greeting_may_bounce() -> None:
    rule = Rule(on="greeting", reply="554 5.3.2 no", then="close")
    assert talk(rules=[rule]).statuses == ["deferred 4.3.2"]
    assert talk(rules=[rule], smtp_skip_5xx_greeting=False).statuses == ["bounced 5.3.2"]


@pytest.mark.parameter("smtp_skip_4xx_greeting")
def test_a_4xx_greeting_defers_whatever_is_set() -> None:
    rule = Rule(on="greeting", reply="450 4.3.2 later", then="close")
    for value in (True, False):
        assert talk(rules=[rule], smtp_skip_4xx_greeting=value).statuses == ["deferred 4.3.2"]
    (said,) = settings_of(smtp_skip_4xx_greeting=True).obsolete()
    assert said == "smtp_skip_4xx_greeting is obsolete: a 4xx greeting always makes the next server be tried"


@pytest.mark.parameter("smtp_skip_quit_response")
def test_the_reply_to_quit_may_be_waited_for() -> None:
    assert (goodbye_seconds(), goodbye_seconds(smtp_skip_quit_response=False)) == (0, 5)
    assert not settings_of(Transport.LMTP).smtp_skip_quit_response


def goodbye_seconds(**settings: object) -> float:
    """How long a connection lives on when the server is silent to QUIT."""

    async def main() -> float:
        silent = Rule(match="^QUIT", then="silence")
        async with ScriptedServer(silent) as peer, Scene(smtp_quit_timeout="5s", **settings) as scene:
            await scene.deliver(at(peer))
            began = scene.clock.monotonic_seconds()
            await peer.wait_until_alone()
            return round(scene.clock.monotonic_seconds() - began)

    return run(main())


@pytest.mark.parameter("smtp_quote_rfc821_envelope")
def test_odd_local_parts_may_go_unquoted() -> None:
    from mailrider.model.request import Recipient

    odd = Recipient("b c@example.test")
    assert 'RCPT TO:<"b c"@example.test>' in talk(odd).commands[2]
    assert "RCPT TO:<b c@example.test>" in talk(odd, smtp_quote_rfc821_envelope=False).commands[2]


@pytest.mark.parameter("smtp_line_length_limit")
def test_long_lines_are_broken() -> None:
    (broken,) = talk(content=LONG).contents
    assert broken == b"Subject: x\r\n\r\n" + b"y" * 998 + b"\r\n " + b"y" * 202 + b"\r\n"
    (shorter,) = talk(content=LONG, smtp_line_length_limit=1000).contents
    assert b"y" * 1000 + b"\r\n " in shorter
    assert talk(content=LONG, smtp_line_length_limit=0).contents == [LONG]


@pytest.mark.parameter("line_length_limit")
def test_long_replies_are_cut() -> None:
    said = talk(rules=[Rule(on="dot", reply="250 2.0.0 " + "z" * 3000)], line_length_limit=600)
    assert said.statuses == ["sent 2.0.0"]
    assert 500 < len(said.text) <= 600


@pytest.mark.parameter("smtp_reply_filter")
def test_a_reply_may_be_replaced_before_it_is_understood(tmp_path: Path) -> None:
    (tmp_path / "filter").write_text("/^550 5\\.1\\.1/ 450 4.1.1 later\n")
    rule = Rule(match="^RCPT", reply="550 5.1.1 no")
    assert talk(rules=[rule]).statuses == ["bounced 5.1.1"]
    assert talk(rules=[rule], smtp_reply_filter=f"regexp:{tmp_path}/filter").statuses == ["deferred 4.1.1"]


@pytest.mark.parameter("smtp_send_xforward_command")
def test_the_server_may_be_told_of_the_client() -> None:
    keywords = ("XFORWARD NAME ADDR", "8BITMIME")
    options = {"client": {"name": "client.test", "addr": "192.0.2.7"}}
    rule = Rule(match="^XFORWARD", reply="250 2.0.0 Ok")
    told = talk(rules=[rule], keywords=keywords, options=options, smtp_send_xforward_command=True)
    assert told.commands[1].startswith("XFORWARD NAME=client.test ADDR=192.0.2.7")
    silent = talk(rules=[rule], keywords=keywords, options=options)
    assert not any(command.startswith("XFORWARD") for command in silent.commands)


@pytest.mark.parameter("smtp_address_verify_target")
def test_a_probe_may_go_on_to_data() -> None:
    probe = {"probe": True}
    assert "DATA" not in talk(options=probe).commands
    rule = Rule(match="^DATA", reply="554 5.7.1 no")
    said = talk(rules=[rule], options=probe, smtp_address_verify_target="data", keywords=())
    assert (said.statuses, "DATA" in said.commands) == (["undeliverable 5.7.1"], True)


@pytest.mark.parameter("smtp_pix_workarounds")
def test_a_starred_greeting_is_answered_with_helo() -> None:
    assert talk(rules=[PIX]).commands[0].startswith("HELO")
    assert talk(rules=[PIX], smtp_pix_workarounds="").commands[0].startswith("EHLO")
    assert talk(rules=[PIX], smtp_pix_workarounds="delay_dotcrlf").commands[0].startswith("EHLO")


@pytest.mark.parameter("smtp_pix_workaround_maps")
def test_a_table_by_address_takes_the_place_of_the_workarounds() -> None:
    maps = inline("127.0.0.1 = delay_dotcrlf")
    assert talk(rules=[PIX], smtp_pix_workaround_maps=maps).commands[0].startswith("EHLO")


@pytest.mark.parameter("smtp_pix_workaround_delay_time")
def test_the_pause_before_the_dot_is_that_of_the_settings() -> None:
    settings: dict[str, object] = {"smtp_pix_workaround_threshold_time": "0s"}
    assert 10 <= talk(rules=[PIX], **settings).seconds < 12
    assert 33 <= talk(rules=[PIX], smtp_pix_workaround_delay_time="33s", **settings).seconds < 35


@pytest.mark.parameter("smtp_pix_workaround_threshold_time")
def test_young_mail_does_not_pause() -> None:
    assert talk(rules=[PIX]).seconds < 5
    assert talk(rules=[PIX], options={"arrival_seconds": 0.0}).seconds >= 10
    assert talk(rules=[PIX], smtp_pix_workaround_threshold_time="0s").seconds >= 10


@pytest.mark.parameter("smtp_chunking")
def test_chunks_are_sent_where_that_is_wanted() -> None:
    def uses_bdat(**settings: object) -> bool:
        return any(command.startswith("BDAT") for command in talk(keywords=CHUNKING, **settings).commands)

    assert uses_bdat(smtp_chunking=True)
    assert not uses_bdat(smtp_chunking=False)


@pytest.mark.parameter("smtp_send_dummy_mail_auth")
def test_who_logged_in_may_say_that_it_does_not_vouch_for_the_sender() -> None:
    login: dict[str, object] = {
        "smtp_sasl_auth_enable": True,
        "smtp_sasl_password_maps": "static:user:word",
        "smtp_sasl_security_options": "",
    }
    rule = Rule(match="^AUTH PLAIN", reply="235 2.7.0 Ok")
    plain = talk(rules=[rule], keywords=("AUTH PLAIN",), **login)
    assert not any("AUTH=<>" in command for command in plain.commands)
    said = talk(rules=[rule], keywords=("AUTH PLAIN",), smtp_send_dummy_mail_auth=True, **login)
    assert "MAIL FROM:<a@example.test> AUTH=<>" in said.commands
