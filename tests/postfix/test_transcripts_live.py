"""Notices to the postmaster with the transcript of a session: ours beside those of a real smtp(8), for the same failures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from tests.cli.peer_thread import PeerThread
from tests.postfix.instance import Postfix, agent_line, why_not

from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")

LONG = " ".join(f"{number} green bottles" for number in range(40))
WORD = "w" * 200


class Case(NamedTuple):
    """What the server does, how many recipients there are, and what the mail is like."""

    rules: tuple[Rule, ...]
    recipients: int = 1
    lmtp: bool = False
    keywords: tuple[str, ...] = ("PIPELINING", "ENHANCEDSTATUSCODES")
    transport: str = ""
    told: bool = True
    sender: str = "me@origin.test"


CASES = {
    "rcpt-501": Case((Rule(match="^RCPT", reply="501 5.1.3 bad syntax"),)),
    "some-rcpt-504": Case((Rule(match="^RCPT TO:<r1", reply="504 5.5.2 not you"),), recipients=4),
    "mail-500": Case((Rule(match="^MAIL", reply="500 what?"),)),
    "mail-555": Case((Rule(match="^MAIL", reply="555 5.5.4 unsupported"),), keywords=()),
    "data-250": Case((Rule(match="^DATA", reply="250 fine"),)),
    "rcpt-354": Case((Rule(match="^RCPT", reply="354 go on"),), keywords=()),
    "dot-354": Case((Rule(on="dot", reply="354 more?"),)),
    "dot-502-long": Case((Rule(on="dot", reply=("502-first", f"502-{LONG}", f"502 5.5.1 {WORD} {WORD} end")),)),
    "greeting-300": Case((Rule(on="greeting", reply="300 who are you"),)),
    "greeting-garbage": Case((Rule(on="greeting", raw=b"hello there\r\n220 mx.example.test ESMTP\r\n"),)),
    "ehlo-helo-502": Case((Rule(match="^(EHLO|HELO)", reply="502 5.5.1 never heard"),)),
    "garbage-in-group": Case((Rule(match="^RCPT", raw=b"250-a\r\nrubbish \x01\xff\r\n250 2.1.5 b\r\n"),), recipients=2),
    "garbage-then-lost": Case((Rule(match="^MAIL", raw=b"rubbish\r\nmore rubbish\r\n", then="close"),), keywords=()),
    "replaced": Case((Rule(match="^MAIL", reply="250 odd"),), transport="filter", keywords=()),
    "data-class": Case((), transport="fail"),
    "lhlo-500": Case((Rule(match="^LHLO", reply="500 no such thing"),), lmtp=True),
    "lmtp-dot-501": Case((Rule(on="dot", replies=(None, "501 5.5.4 not him")),), lmtp=True, recipients=3),
    "rcpt-550": Case((Rule(match="^RCPT", reply="550 5.1.1 nobody"),), told=False),
    "lost": Case((Rule(match="^RCPT", then="close"),), told=False),
    "null-sender": Case((Rule(match="^RCPT", reply="501 5.1.3 bad syntax"),), told=False, sender=""),
    "double-bounce": Case(
        (Rule(match="^RCPT", reply="501 5.1.3 bad syntax"),), told=False, sender="double-bounce@client.origin.test"
    ),
}

TABLES = {"": "", "filter": "-o smtp_reply_filter=regexp:{etc}/filter", "fail": "-o smtp_reply_filter=fail:x"}
SETTINGS = {
    "notify_classes": "protocol, data",
    "error_notice_recipient": "errors",
    "internal_mail_filter_classes": "notify",
    "header_checks": "regexp:$config_directory/checks",
    "smtpd_recipient_limit": "100",
}
AGENTS = ("ours", "theirs")


class Scene:
    """A Postfix with both agents, and for each case and agent a server of its own."""

    def __init__(self, postfix: Postfix, ports: dict[tuple[str, str], int]) -> None:
        self.postfix, self._ports = postfix, ports

    def submit_all(self) -> None:
        """Send the mail of all cases, and wait until something has become of it."""
        waiting = set()
        for name, whose in self._ports:
            case = CASES[name]
            recipients = [f"r{number}@{name}.{whose}.test" for number in range(case.recipients)]
            self.postfix.submit(recipients, sender=case.sender)
            waiting.update(recipients)
        self.postfix.wait_for(
            lambda: waiting <= {recipient for recipient, *_ in self.postfix.results()}, f"results of {waiting}", seconds=120
        )

    def transcripts(self, name: str, whose: str) -> list[str]:
        """The notices that name a server."""
        server = f"errors from 127.0.0.1[127.0.0.1]:{self._ports[name, whose]}\n"
        return [notice for notice in self.postfix.notices() if server in notice]

    def transcript(self, name: str, whose: str) -> str:
        """The one about a case, without what differs from one notice to the next."""
        self.postfix.wait_for(lambda: self.transcripts(name, whose), f"what {whose} say of {name}", seconds=90)
        (notice,) = self.transcripts(name, whose)
        notice = notice.replace(f"]:{self._ports[name, whose]}", "]:PORT").replace(f".{whose}.test", ".test")
        notice = re.sub(r"(?m)^\tid \w+; .*$", "\tid ID; DATE", notice)
        notice = re.sub(r"(?m)^Date: .*$", "Date: DATE", notice)
        notice = re.sub(r"(?m)^Message-Id: .*$", "Message-Id: ID", notice)
        return re.sub(r"by client.origin.test \(Postfix, from userid \d+\)", "by client.origin.test (Postfix)", notice)


def _services(etc: str) -> Iterator[str]:
    for table, option in TABLES.items():
        option = option.replace("{etc}", etc)
        yield f"theirs{table} unix - - n - - smtp {option}\n"
        yield agent_line(f"ours{table}", "smtp", option)
    yield "theirslmtp unix - - n - - lmtp\n"
    yield agent_line("ourslmtp", "lmtp")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with ExitStack() as stack:
        ports: dict[tuple[str, str], int] = {}
        transports = {}
        for name, case in CASES.items():
            for whose in AGENTS:
                server = ScriptedServer(*case.rules, lmtp=case.lmtp, keywords=case.keywords)
                hop = stack.enter_context(PeerThread(server)).nexthop
                ports[name, whose] = server.port
                service = f"{whose}{'lmtp' if case.lmtp else case.transport}"
                transports[f"{name}.{whose}.test"] = f"{service}:{'inet:' if case.lmtp else ''}{hop}"
        postfix = Postfix(transports, [], SETTINGS)
        (postfix.etc / "checks").write_text("/^Subject: Postfix .MTP client/ PREPEND X-Checked: yes\n")
        (postfix.etc / "filter").write_text("/^250 odd/ 501 5.5.4 even\n")
        with (postfix.etc / "master.cf").open("a") as file:
            file.writelines(_services(str(postfix.etc)))
        scene = Scene(stack.enter_context(postfix), ports)
        scene.submit_all()
        yield scene


@pytest.mark.parameter("notify_classes", "error_notice_recipient", "internal_mail_filter_classes")
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.told])
def test_the_postmaster_hears_the_same(scene: Scene, name: str) -> None:
    ours, theirs = (scene.transcript(name, whose) for whose in AGENTS)
    assert ours == theirs
    assert "\nX-Checked: yes\nSubject: " in ours
    assert "\nTo: Postmaster <errors@origin.test>\n" in ours
    assert "\n Out: " in ours or name.startswith("greeting")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.told])
def test_the_postmaster_does_not_hear_of_the_rest(scene: Scene, name: str) -> None:
    for told in [other for other, case in CASES.items() if case.told]:
        scene.transcript(told, "ours")  # by now this one would be there, too
    assert not scene.transcripts(name, "theirs")
    assert not scene.transcripts(name, "ours")
