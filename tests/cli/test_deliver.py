"""`mailrider deliver` from its arguments to its rows."""

from __future__ import annotations

import gc
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailrider.cli.main import main
from mailrider.errors import MissingInput
from mailrider.spool import shelf
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule

from .deliveries import request_to, to, write_batch
from .peer_thread import PeerThread

REFUSED = "[127.0.0.1]:1"
"""A next hop at which nobody listens (IANA: tcpmux)."""


@pytest.fixture(autouse=True)
def quiet_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own configuration has no part in this; and what the command froze is thawed."""
    monkeypatch.delenv("MAIL_CONFIG", raising=False)
    monkeypatch.setattr("mailrider.settings.loading.USUAL_DIRECTORY", "/nonexistent")
    yield
    gc.unfreeze()


class Said:
    """How the command ended, and what it said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        self.err = err

    @property
    def statuses(self) -> list[str]:
        return [f"{row['status']} {row['dsn']}" for row in self.rows]


Deliver = Any


@pytest.fixture
def deliver(capfd: pytest.CaptureFixture[str]) -> Deliver:
    """Run the command in this process."""

    def run(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(["deliver", *arguments])
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)

    return run


# What comes out


def test_a_message_is_sent(deliver: Deliver, message: str) -> None:
    with PeerThread(ScriptedServer()) as peer:
        said = deliver(*to(peer.nexthop), "--queue-id", "4bQz", message)
    assert said.code == 0
    assert said.rows == [
        {
            "recipient": "b@example.test",
            "status": "sent",
            "dsn": "2.0.0",
            "relay": f"127.0.0.1[127.0.0.1]:{peer.server.port}",
            "text": "250 2.0.0 Ok: queued as T1.1",
            "conn_use": 1,
            "action": "relayed",
        }
    ]
    assert said.err.startswith("4bQz: to=<b@example.test>, relay=127.0.0.1[127.0.0.1]:")
    (received,) = peer.server.messages
    assert received.content == b"Subject: x\r\n\r\ntext\r\n"


@pytest.mark.parametrize(
    ("rules", "code", "statuses"),
    [
        ((Rule(match="<b@", reply="550 5.1.1 no"),), 69, ["bounced 5.1.1", "sent 2.0.0"]),
        ((Rule(match="<b@", reply="450 4.2.1 no"),), 75, ["deferred 4.2.1", "sent 2.0.0"]),
        (
            (Rule(match="<b@", reply="550 5.1.1 no"), Rule(match="<c@", reply="450 4.2.1 no")),
            75,
            ["bounced 5.1.1", "deferred 4.2.1"],
        ),
    ],
)
def test_the_exit_code_is_the_worst_of_it(
    deliver: Deliver, message: str, rules: tuple[Rule, ...], code: int, statuses: list[str]
) -> None:
    with PeerThread(ScriptedServer(*rules)) as peer:
        said = deliver(*to(peer.nexthop, "b@example.test", "c@example.test"), message)
    assert (said.code, said.statuses) == (code, statuses)
    assert [row["recipient"] for row in said.rows] == ["b@example.test", "c@example.test"]


def test_a_server_that_is_not_there(deliver: Deliver, message: str) -> None:
    said = deliver(*to(REFUSED), message)
    assert (said.code, said.statuses) == (75, ["deferred 4.4.1"])
    assert said.rows[0]["relay"] == "none"
    assert said.err.splitlines()[0] == "connect to 127.0.0.1[127.0.0.1]:1: Connection refused"


def test_everything_that_was_asked_for_reaches_the_server(deliver: Deliver, message: str) -> None:
    keywords = ("8BITMIME", "DSN", "SMTPUTF8", "XFORWARD NAME")
    rule = Rule(match="^XFORWARD", reply="250 2.0.0 Ok")
    with PeerThread(ScriptedServer(rule, keywords=keywords)) as peer:
        said = deliver(
            *to(peer.nexthop, "b@example.test;notify=success,delay;orcpt=rfc822;o@example.test", sender=""),
            *("--envid", "an id", "--ret", "hdrs", "--body", "8bitmime", "--smtputf8"),
            *("--xforward", "name=client.test", "-o", "smtp_send_xforward_command=yes", "-o", "smtp_helo_name=me.test"),
            message,
        )
    assert said.code == 0
    assert peer.server.sessions[0].commands[:4] == [
        "EHLO me.test",
        "XFORWARD NAME=client.test",
        "MAIL FROM:<> BODY=8BITMIME ENVID=an+20id RET=HDRS SMTPUTF8",
        "RCPT TO:<b@example.test> ORCPT=rfc822;o@example.test NOTIFY=SUCCESS,DELAY",
    ]


def test_lmtp(deliver: Deliver, message: str, tmp_path: Path) -> None:
    with PeerThread(ScriptedServer(lmtp=True, path=tmp_path / "socket")):
        said = deliver("--transport", "lmtp", *to(f"unix:{tmp_path}/socket"), message)
    assert said.statuses == ["sent 2.0.0"]


@pytest.mark.parametrize(("reply", "code", "status"), [("250 2.1.5 Ok", 0, "deliverable"), ("550 no", 69, "undeliverable")])
def test_a_probe(deliver: Deliver, message: str, reply: str, code: int, status: str) -> None:
    with PeerThread(ScriptedServer(Rule(match="^RCPT", reply=reply))) as peer:
        said = deliver(*to(peer.nexthop), "--verify", message)
    assert (said.code, said.rows[0]["status"]) == (code, status)
    assert not peer.server.messages


def test_a_message_from_standard_input(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Subject: y\r\n\r\nmore")))
    with PeerThread(ScriptedServer()) as peer:
        assert deliver(*to(peer.nexthop), "-").code == 0
    assert peer.server.messages[0].content == b"Subject: y\r\n\r\nmore\r\n"


def test_a_standard_input_that_cannot_be_read(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Broken())))
    with PeerThread(ScriptedServer()) as peer:
        said = deliver(*to(peer.nexthop), "-")
    assert (said.code, said.statuses) == (75, ["deferred 4.3.0"])
    assert "cannot read standard input: Input/output error" in said.rows[0]["text"]
    assert not peer.server.messages


@pytest.mark.plain("a double takes the place of what a module calls")
def test_a_message_that_vanishes_before_its_turn(deliver: Deliver, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_message(path: str) -> object:
        raise MissingInput(f"cannot open message file {path}: No such file or directory")

    monkeypatch.setattr(shelf, "read_message", read_message)
    with PeerThread(ScriptedServer()) as peer:
        said = deliver(*to(peer.nexthop), message)
    assert (said.code, said.statuses) == (75, ["deferred 4.3.0"])
    assert "No such file or directory" in said.rows[0]["text"]
    assert not peer.server.messages


def test_log_lines_as_json(deliver: Deliver, message: str) -> None:
    said = deliver(*to(REFUSED), "--log-format", "json", message)
    events = [json.loads(line)["event"] for line in said.err.splitlines()]
    assert events == ["connect_failed", "settled"]


def test_more_is_said_where_more_is_wanted(deliver: Deliver, message: str) -> None:
    with PeerThread(ScriptedServer()) as peer:
        little = deliver(*to(peer.nexthop), message).err
        more = deliver(*to(peer.nexthop), "-v", message).err
    assert len(more.splitlines()) > len(little.splitlines())


@pytest.mark.parameter("debug_peer_list", "debug_peer_level")
def test_a_dialogue_is_told_for_debug_peers(deliver: Deliver, message: str) -> None:
    with PeerThread(ScriptedServer()) as peer:
        named = deliver(*to(peer.nexthop), "-o", "debug_peer_list=127.0.0.0/8", message).err
        others = deliver(*to(peer.nexthop), "-o", "debug_peer_list=192.0.2.0/24", message).err
    assert "> 127.0.0.1[127.0.0.1]:" in named
    assert ": MAIL FROM:<" in named
    assert "= " not in named
    assert "MAIL FROM" not in others


def test_an_event_loop_without_uvloop(deliver: Deliver, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with PeerThread(ScriptedServer()) as peer:
        assert deliver(*to(peer.nexthop), message).code == 0


# Batches


@pytest.mark.parametrize("mode", ["sequential", "burst"])
def test_rows_of_a_batch_are_numbered_and_in_order(deliver: Deliver, message: str, tmp_path: Path, mode: str) -> None:
    slow = Rule(match="<slow@", delay_seconds=0.05)
    with PeerThread(ScriptedServer(slow)) as peer:
        batch = write_batch(
            tmp_path,
            request_to(peer.nexthop, message, "slow@example.test"),
            request_to(REFUSED, message, "c@example.test", "d@example.test"),
            request_to(peer.nexthop, message, "e@example.test"),
            mode=mode,
        )
        said = deliver("--batch", batch)
    assert said.code == 75
    assert [(row["message"], row["recipient"][0], row["status"]) for row in said.rows] == [
        (1, "s", "sent"), (2, "c", "deferred"), (2, "d", "deferred"), (3, "e", "sent"),
    ]  # fmt: skip


def test_an_empty_batch(deliver: Deliver, tmp_path: Path) -> None:
    said = deliver("--batch", write_batch(tmp_path))
    assert (said.code, said.rows, said.err) == (0, [], "")


def test_a_burst_works_under_its_window_and_a_dead_destination_is_suspended(
    deliver: Deliver, message: str, tmp_path: Path
) -> None:
    batch = write_batch(tmp_path, *[request_to(REFUSED, message) for _ in range(9)], mode="burst")
    said = deliver("--batch", batch)
    assert [row["text"].startswith("delivery temporarily suspended: connect to") for row in said.rows] == [
        *[False] * 5, *[True] * 4,
    ]  # fmt: skip


def test_many_recipients_go_in_portions_and_come_back_in_order(deliver: Deliver, message: str) -> None:
    recipients = [f"r{number}@example.test" for number in range(7)]
    with PeerThread(ScriptedServer(Rule(match="<r4@", reply="550 5.1.1 no"))) as peer:
        said = deliver(*to(peer.nexthop, *recipients), "-o", "smtp_destination_recipient_limit=3", message)
    assert [row["recipient"] for row in said.rows] == recipients
    assert [row["status"] for row in said.rows] == ["sent"] * 4 + ["bounced"] + ["sent"] * 2
    assert sorted(len(received.recipients) for received in peer.server.messages) == [1, 2, 3]


@pytest.mark.parametrize("more", [["message"], ["--sender", "x"], ["--recipient", "b@c"], ["--verify"], ["--age", "5"]])
def test_a_batch_takes_everything_from_its_file(deliver: Deliver, tmp_path: Path, more: list[str]) -> None:
    said = deliver("--batch", write_batch(tmp_path), *more)
    assert said.code == 64
    assert said.err == ("mailrider: --batch takes everything from its file: give no message and no envelope beside it\n")


# What cannot be done


def is_a_sentence(said: Said, code: int, *words: str) -> None:
    assert said.code == code
    assert said.rows == []
    assert said.err.startswith("mailrider: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 64, "no message file is given"),
        (["MESSAGE"], 64, "--nexthop is missing"),
        (["--nexthop", "x", "MESSAGE"], 64, "--sender is missing"),
        (["--nexthop", "x", "--sender", "", "MESSAGE"], 64, "--recipient is missing"),
        (["--nexthop", "x", "--sender", "", "--recipient", "", "MESSAGE"], 64, "a recipient is empty"),
        ([*to("x"), "/nowhere"], 66, "cannot open message file /nowhere: No such file or directory"),
        ([*to("x"), "/"], 66, "cannot open message file /: it is a directory"),
        ([*to("x"), "MESSAGE/x"], 66, "Not a directory"),
        (["--batch", "/nowhere"], 66, "batch file /nowhere cannot be read: No such file or directory"),
        (["--batch", "/"], 66, "batch file / cannot be read: Is a directory"),
        ([*to("x", "b@c;notify=maybe"), "MESSAGE"], 64, "recipient b@c: notify=maybe, expected never"),
        ([*to("x", "b@c;orcpt=b@c"), "MESSAGE"], 64, "orcpt=b@c, expected type;address"),
        ([*to("x", '"b@c'), "MESSAGE"], 64, "closing quote"),
        ([*to("x", "b\n@c"), "MESSAGE"], 64, "control character"),
        ([*to("x", sender="a\r\nDATA"), "MESSAGE"], 64, "control character"),
        ([*to("x\x1b"), "MESSAGE"], 64, "control character"),
        ([*to("x"), "--queue-id", "Q\x07", "MESSAGE"], 64, "control character"),
        ([*to("x"), "--envid", "a\tb", "MESSAGE"], 64, "control character"),
        ([*to("x"), "--service", "a\nb", "MESSAGE"], 64, "control character"),
        ([*to("x"), "--xforward", "x=y", "MESSAGE"], 64, "xforward attribute 'x'"),
        ([*to("x"), "--xforward", "name", "MESSAGE"], 64, "expected NAME=VALUE"),
        ([*to("x"), "--age", "9" * 30, "MESSAGE"], 64, "expected a number of seconds"),
        ([*to(""), "MESSAGE"], 64, "null destination"),
        ([*to(" , "), "MESSAGE"], 64, "null destination"),
        ([*to("[x"), "MESSAGE"], 64, 'missing "]" in server description: [x'),
        ([*to("[x]y"), "MESSAGE"], 64, 'garbage after "]"'),
        ([*to("x:0"), "MESSAGE"], 64, "in server description: x:0"),
        ([*to("x:65536"), "MESSAGE"], 64, "in server description: x:65536"),
        ([*to("x:no-such-service"), "MESSAGE"], 64, "no-such-service"),
        ([*to(":25"), "MESSAGE"], 64, "missing host information"),
        ([*to("good.test, b/ad"), "MESSAGE"], 64, "valid hostname or network address required"),
        ([*to("[ipv6:zz]"), "MESSAGE"], 64, "malformed IPv6 address"),
        (["--transport", "lmtp", *to("unix:"), "MESSAGE"], 64, "missing path"),
        ([*to("unix:/run/lmtp"), "MESSAGE"], 64, "in server description"),
        ([*to("x"), "-o", "nonsense=1", "MESSAGE"], 64, "-o nonsense: no such parameter"),
        ([*to("x"), "-o", "smtp_helo_nam=1", "MESSAGE"], 64, "did you mean smtp_helo_name?"),
        ([*to("x"), "-o", "nonsense", "MESSAGE"], 64, "-o needs name=value"),
        ([*to("x"), "-o", "smtp_mail_timeout=soon", "MESSAGE"], 78, "smtp_mail_timeout=soon"),
        ([*to("x"), "-o", "smtp_helo_name=a\x01b", "MESSAGE"], 78, "control character"),
        ([*to("x"), "-o", "smtp_helo_name=", "MESSAGE"], 78, "smtp_helo_name"),
        ([*to("x"), "-o", "smtp_fallback_relay=[x", "MESSAGE"], 78, "smtp_fallback_relay"),
        ([*to("x"), "-o", "lmtp_fallback_relay=[x", "MESSAGE"], 78, "lmtp_fallback_relay"),
        ([*to("x"), "-o", "smtp_reply_filter=nonsense:/x", "MESSAGE"], 78, "smtp_reply_filter"),
        ([*to("x"), "-c", "/nowhere", "MESSAGE"], 78, "cannot read /nowhere/main.cf: No such file or directory"),
        ([*to("x"), "-c", "MESSAGE", "MESSAGE"], 78, "Not a directory"),
    ],
)
def test_bad_input_is_told_in_a_sentence(deliver: Deliver, message: str, arguments: list[str], code: int, words: str) -> None:
    is_a_sentence(deliver(*(argument.replace("MESSAGE", message) for argument in arguments)), code, words)


@pytest.mark.parametrize(
    ("main_cf", "line", "words"),
    [
        ("relayhost = x\nnonsense\n", 2, "missing '=' after attribute name"),
        ("\n\n= x\n", 3, "missing attribute name"),
        ("# comment\nsmtp_mail_timeout = soon\n", 2, "smtp_mail_timeout = soon: expected a time"),
        ("smtp_destination_recipient_limit =\n   many\n", 1, "smtp_destination_recipient_limit = many: expected"),
        ("soft_bounce = perhaps\n", 1, "soft_bounce = perhaps: expected yes or no"),
        ("smtp_bind_address = here\n", 1, "smtp_bind_address = here"),
        ("smtp_helo_name = ${x\n", 1, "smtp_helo_name"),
        ("a = $b\nb = $a\nsmtp_helo_name = $a\n", 3, "smtp_helo_name"),
    ],
)
def test_a_configuration_that_makes_no_sense_names_file_and_line(
    deliver: Deliver, message: str, tmp_path: Path, main_cf: str, line: int, words: str
) -> None:
    (tmp_path / "main.cf").write_text(main_cf)
    said = deliver(*to("x"), "-c", str(tmp_path), message)
    is_a_sentence(said, 78, f"{tmp_path}/main.cf, line {line}: ", words)


def test_a_configuration_that_is_a_directory(deliver: Deliver, message: str, tmp_path: Path) -> None:
    (tmp_path / "main.cf").mkdir()
    is_a_sentence(deliver(*to("x"), "-c", str(tmp_path), message), 78, "main.cf: Is a directory")


def test_names_of_other_programs_are_no_error(deliver: Deliver, message: str, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(
        "smtpd_reject_footer = $myhostname ESMTP\nvirtual_mailbox_base = /var/mail\nwhatever = x\n"
        "smtp_helo_name = from.file.test\n"
    )
    with PeerThread(ScriptedServer()) as peer:
        said = deliver(*to(peer.nexthop), "-c", str(tmp_path), message)
        again = deliver(*to(peer.nexthop), "-c", str(tmp_path), "-o", "smtp_helo_name=from.option.test", message)
    assert (said.code, again.code) == (0, 0)
    assert [session.commands[0] for session in peer.server.sessions] == ["EHLO from.file.test", "EHLO from.option.test"]


def test_the_environment_names_the_directory(
    deliver: Deliver, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.cf").write_text("soft_bounce = perhaps\n")
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    is_a_sentence(deliver(*to("x"), message), 78, "line 1: soft_bounce")


def test_a_name_that_some_value_uses_may_be_set(deliver: Deliver, message: str, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("smtp_helo_name = $who.test\n")
    with PeerThread(ScriptedServer()) as peer:
        assert deliver(*to(peer.nexthop), "-c", str(tmp_path), "-o", "who=me", message).code == 0
    assert peer.server.sessions[0].commands[0] == "EHLO me.test"


def test_nothing_that_is_set_is_ignored_in_silence(deliver: Deliver, message: str, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(" indented = x\nrelayhost = y\n")
    said = deliver(*to(REFUSED), "-c", str(tmp_path), message)
    assert said.err.startswith(f"warning: {tmp_path}/main.cf, line 1: ignored, since a line may not start with white space")


# Services of master.cf


def test_options_may_stand_before_the_command(
    capfd: pytest.CaptureFixture[str], message: str, tmp_path: Path
) -> None:
    """`mailrider -c DIR --service relay deliver` does what the service of that name does."""
    (tmp_path / "main.cf").write_text("smtp_helo_name = main.test\n")
    (tmp_path / "master.cf").write_text("relay unix - - n - - smtp -o { smtp_helo_name = $service_name.test } flags=R\n")
    with PeerThread(ScriptedServer()) as peer, pytest.raises(SystemExit) as ended:
        main(["-c", str(tmp_path), "--service", "relay", "deliver", *to(peer.nexthop), message])
    assert ended.value.code == 0
    (session,) = peer.server.sessions
    assert session.commands[0] == "EHLO relay.test"
    assert session.messages[0].content.startswith(b"Return-Path: <a@example.test>\r\n")
    capfd.readouterr()


def test_an_lmtp_service_brings_its_protocol(deliver: Deliver, message: str, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("")
    (tmp_path / "master.cf").write_text("cyrus unix - - n - - lmtp flags=X\n")
    with PeerThread(ScriptedServer(lmtp=True, keywords=("PIPELINING",))) as peer:
        said = deliver("-c", str(tmp_path), "--service", "cyrus", *to(f"inet:{peer.nexthop}"), message)
    assert (said.code, said.rows[0]["action"]) == (0, "delivered")
    assert peer.server.sessions[0].commands[0].startswith("LHLO ")


def test_what_a_service_sets_is_not_ignored_in_silence(deliver: Deliver, message: str, tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("")
    options = "-o smtp_fallback_relay= -o relay_destination_recipient_limit=1"
    (tmp_path / "master.cf").write_text(f"relay unix - - n - - smtp {options}\n")
    said = deliver("-c", str(tmp_path), "--service", "relay", *to(REFUSED), message)
    warnings = [line for line in said.err.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        f"warning: {tmp_path}/master.cf, line 1: -o relay_destination_recipient_limit has no effect in master.cf; "
        "set it in main.cf"
    ]
