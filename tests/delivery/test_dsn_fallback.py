"""Servers that announce DSN and refuse its parameters."""

from __future__ import annotations

from typing import Any

import pytest

from mailrider.testkit.rules import Rule
from parameters.scenes import Talk, talk

REFUSAL = "555 5.5.4 Unsupported option: ORCPT"
TO_RCPT = Rule(match="^RCPT .* ORCPT=", reply=REFUSAL)
TO_MAIL = Rule(match="^MAIL .* RET=", reply="504 5.5.4 RET is not implemented")
WARNING = "host 127.0.0.1[127.0.0.1] announces DSN and refuses its parameters: trying again without them"
KEPT = {"cache_load": True, "cache_store": True}


def envelopes(talk: Talk) -> list[list[str]]:
    """MAIL and RCPT of each connection."""
    return [[line for line in session.commands if line.startswith(("MAIL", "RCPT"))] for session in talk.sessions]


def asks_for_orcpt(talk: Talk) -> list[bool]:
    """For every RCPT, in order."""
    return ["ORCPT=" in line for line in talk.commands if line.startswith("RCPT")]


def received(talk: Talk) -> list[list[str]]:
    """The recipients of each message that arrived, by their local parts."""
    messages = [message for session in talk.sessions for message in session.messages]
    return [[address.split("@")[0] for address in message.recipients] for message in messages]


def test_it_is_off_by_default() -> None:
    done = talk("a", rules=[TO_RCPT])
    assert done.statuses == ["bounced 5.5.4"]
    assert len(done.sessions) == 1


@pytest.mark.parameter("smtp_dsn_fallback")
@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_server_that_refuses_them_gets_none(lmtp: bool, pipelining: bool) -> None:
    keywords = ("DSN", "8BITMIME", *(("PIPELINING",) if pipelining else ()))
    name = "lmtp_dsn_fallback" if lmtp else "smtp_dsn_fallback"
    settings: dict[str, Any] = {"rules": [TO_RCPT], "keywords": keywords, "lmtp": lmtp, name: True}
    done = talk("a", "c", **settings)
    assert done.statuses == ["sent 2.0.0", "sent 2.0.0"]
    assert envelopes(done)[1][1:] == ["RCPT TO:<a@example.test>", "RCPT TO:<c@example.test>"]
    assert received(done) == [["a", "c"]]
    assert done.warnings == [WARNING]


def test_the_server_is_remembered() -> None:
    done = talk("a", rules=[TO_RCPT], times=3, smtp_dsn_fallback=True)
    assert asks_for_orcpt(done) == [True, False, False, False]
    assert done.warnings == [WARNING]


def test_who_was_accepted_gets_it_once() -> None:
    rule = Rule(match="^RCPT TO:<odd@.* ORCPT=", reply=REFUSAL)
    done = talk("a", "odd", "c", rules=[rule], smtp_dsn_fallback=True)
    assert done.statuses == ["sent 2.0.0"] * 3
    assert received(done) == [["a", "c"], ["odd"]]


def test_parameters_of_the_sender() -> None:
    options = {"ret": "hdrs"}
    done = talk("a", rules=[TO_MAIL], options=options, smtp_dsn_fallback=True)
    assert done.statuses == ["sent 2.0.0"]
    assert ["RET=" in lines[0] for lines in envelopes(done)] == [True, False]


def test_what_is_still_refused_is_refused() -> None:
    done = talk("a", rules=[Rule(match="^RCPT", reply="555 5.5.4 no")], smtp_dsn_fallback=True)
    assert done.statuses == ["bounced 5.5.4"]
    assert len(done.sessions) == 2


@pytest.mark.parametrize(
    "rule",
    [
        Rule(match="^RCPT", reply="550 5.1.1 unknown"),
        Rule(match="^RCPT", reply="501 5.1.3 syntax"),
        Rule(match="^MAIL", reply="555 5.5.4 what is SIZE?"),
        Rule(match="^DATA", reply="504 5.5.4 no"),
        Rule(on="dot", reply="555 5.5.4 no"),
    ],
)
def test_other_refusals_are_not_about_dsn(rule: Rule) -> None:
    done = talk("a", rules=[rule], smtp_dsn_fallback=True)
    assert done.statuses[0].startswith("bounced")
    assert len(done.sessions) == 1
    assert done.warnings == []


def test_a_kept_connection_that_refuses_them() -> None:
    """The server has taken the parameters of the first message."""
    rule = Rule(match="^RCPT .* ORCPT=", nth_total=2, reply=REFUSAL)
    done = talk("a", rules=[rule], times=3, options=KEPT, smtp_dsn_fallback=True)
    assert done.statuses == ["sent 2.0.0"] * 3
    assert asks_for_orcpt(done) == [True, True, False, False]
    assert received(done) == [["a"]] * 3
