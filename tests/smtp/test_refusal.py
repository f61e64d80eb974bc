from __future__ import annotations

import pytest

from mailrider.smtp.refusal import Refusal, Scope, refuse, refuse_command, refuse_to_talk
from mailrider.smtp.reply import Reply
from mailrider.smtp.stage import DOT, RCPT

PEER = "mx.example.test[192.0.2.1]"


def reply(text: str) -> Reply:
    return Reply(int(text[:3]), (text.encode(),), text.encode())


@pytest.mark.parametrize(
    ("text", "status", "prefix"),
    [
        ("550 5.1.1 no", "5.1.1", ""),
        ("450 later", "4.0.0", ""),
        ("354 5.1.1 go", "5.5.0", ""),
        ("099 what", "5.5.0", ""),
        ("250 2.1.5 Ok", "5.5.0", "Protocol error: "),
        ("250 Ok", "5.5.0", "Protocol error: "),
    ],
)
def test_a_refusal_says_who_said_what_to_what(text: str, status: str, prefix: str) -> None:
    said = reply(text)
    assert refuse_command(Scope.RECIPIENT, said, RCPT, PEER) == Refusal(
        Scope.RECIPIENT, status, f"{prefix}host {PEER} said: {text} (in reply to RCPT TO command)", said
    )
    assert refuse_command(Scope.MESSAGE, said, DOT, PEER).text.endswith("(in reply to end of DATA command)")
    assert refuse_to_talk(said, PEER) == Refusal(Scope.SITE, status, f"{prefix}host {PEER} refused to talk to me: {text}", said)


def test_the_status_may_be_another_one() -> None:
    said = reply("554 5.7.1 no")
    assert refuse_to_talk(said, PEER, status="4.7.1").status == "4.7.1"
    assert refuse(Scope.SITE, said, "text", status="2.0.0") == Refusal(Scope.SITE, "5.5.0", "Protocol error: text", said)
    assert not refuse(Scope.SITE, said, "text").soft_before_last
