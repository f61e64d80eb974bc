"""Real sockets and real clients: smtplib, smtp-source, and plain octets."""

from __future__ import annotations

import asyncio
import shutil
import smtplib
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.intake.configuration import Intake
from mailrider.intake.passwords import hash_password
from mailrider.spool.files import Files
from mailrider.spool.memory import MemorySpool
from mailrider.spool.spool import NotAccepted, Submission, Unaccepted
from mailrider.spool.sqlite import SqliteSpool
from mailrider.testkit.authority import make_self_signed

from .running import PATIENCE_SECONDS, Running, WallClock, make_settings, running

SMTP_SOURCE = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/sbin")
needs_smtp_source = pytest.mark.skipif(SMTP_SOURCE is None, reason="smtp-source is not installed (package postfix)")

TEXT = "Subject: hello\r\n\r\n.dot\r\nbody\r\n"


def connect(node: Running) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", node.port, "me.example", timeout=PATIENCE_SECONDS)


def talk(address: int | str, octets: bytes) -> bytes:
    """Say everything at once, hear everything."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.connect(("127.0.0.1", address) if isinstance(address, int) else address)
        client.sendall(octets)
        heard = b""
        while piece := client.recv(65536):
            heard += piece
        return heard


GROUP = (
    b"HLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\n"
    b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
)


@pytest.mark.parametrize("backed", ["memory", "sqlite"])
def test_a_message_comes_in_and_its_header_is_completed(tmp_path: Path, backed: str) -> None:
    spool = SqliteSpool(tmp_path, WallClock()) if backed == "sqlite" else None
    with running(spool=spool) as node:
        with connect(node) as client:
            refused = client.sendmail("a@b.example", ["c@d.example"], TEXT, ["ENVID=x+2By", "RET=HDRS"], ["NOTIFY=DELAY"])
            assert refused == {}
        (message,) = node.messages()
        assert message.envelope.sender == "a@b.example"
        assert message.envelope.envid == "x+y"
        assert message.origin == "smtp"
        assert message.client["proto"] == "ESMTP"
        text = node.text(message.queue_id)
        header, body = text.split(b"\r\n\r\n", 1)
        assert body == b".dot\r\nbody\r\n"
        names = [line.split(b":")[0] for line in header.split(b"\r\n") if line[:1] not in (b"\t", b" ")]
        assert names == [b"Received", b"Subject", b"Message-Id", b"Date", b"From"]
        assert header.endswith(b"From: a@b.example")
    assert any(line.startswith("disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1") for line in node.told)


@pytest.mark.parameter("intake_lmtp_listen", "intake_smtp_listen")
def test_everything_at_once_over_every_kind_of_socket(tmp_path: Path) -> None:
    places = f"intake_lmtp_listen=unix:{tmp_path}/lmtp"
    with running(places) as node:
        heard = talk(node.port, GROUP.replace(b"HLO", b"EHLO"))
        assert heard.count(b"Ok: queued as") == 1
        assert heard.endswith(b"221 2.0.0 Bye\r\n")
        heard = talk(f"{tmp_path}/lmtp", GROUP.replace(b"HLO", b"LHLO"))
        assert heard.count(b"Ok: queued as") == 2
        assert len(node.messages()) == 2
        assert {message.origin for message in node.messages()} == {"smtp", "lmtp"}
    assert not (tmp_path / "lmtp").exists()


def test_a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "smtp"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    given = make_settings(f"intake_smtp_listen=unix:{path}")
    first = Intake(given, lambda line: None)
    with pytest.raises(WrongConfiguration, match=r"intake_smtp_listen = unix:.*cannot listen there"):
        Intake(given, lambda line: None)
    assert path.exists()
    first.discard()
    assert not path.exists()


@pytest.mark.parameter("mynetworks")
def test_strangers_do_not_relay() -> None:
    with running("mynetworks=192.0.2.0/24") as node, connect(node) as client:
        client.ehlo()
        client.mail("a@b.example")
        assert client.rcpt("c@d.example") == (554, b"5.7.1 <c@d.example>: Relay access denied")


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(WrongConfiguration, match=r"intake_smtp_listen = a\.\.b:2525: cannot listen there: that is no name"):
        Intake(make_settings("intake_smtp_listen=a..b:2525"), lambda line: None)


def test_who_listens_at_a_socket_and_has_no_time_is_there_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailrider.intake.listener.TRIAL_SECONDS", 0.01)
    path = tmp_path / "smtp"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))  # the one that may wait
        with pytest.raises(WrongConfiguration, match="cannot listen there"):
            Intake(make_settings(f"intake_smtp_listen=unix:{path}"), lambda line: None)
    assert path.exists()


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
@pytest.mark.parameter(
    "smtpd_tls_security_level",
    "smtpd_tls_chain_files",
    "smtpd_tls_auth_only",
    "smtpd_sasl_auth_enable",
    "intake_password_maps",
    "smtpd_tls_received_header",
)
def test_tls_and_logins(tmp_path: Path, kind: str) -> None:
    if kind == "uvloop":
        loop = pytest.importorskip("uvloop", reason="the package uvloop is not installed").new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    pem = make_self_signed("node.example", ["node.example"]).write(tmp_path, "node")
    secret = hash_password("geheim", iterations=1000)
    given = (
        "mynetworks=", "smtpd_tls_security_level=may", f"smtpd_tls_chain_files={pem}", "smtpd_tls_auth_only=yes",
        "smtpd_sasl_auth_enable=yes", f"intake_password_maps=inline:{{joe=secret, {{ann = {secret}}}}}",
        "smtpd_tls_received_header=yes", "smtpd_error_sleep_time=0",
    )  # fmt: skip
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with running(*given, loop=loop) as node:
        with connect(node) as client:
            client.ehlo()
            assert not client.has_extn("auth")
            client.starttls(context=context)
            client.ehlo()
            assert client.has_extn("auth")
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("joe", "wrong")
            client.login("joe", "secret")
            client.sendmail("a@b.example", ["c@d.example"], TEXT)
        with connect(node) as client:
            client.starttls(context=context)
            client.ehlo()
            client.login("ann", "geheim")
            client.sendmail("a@b.example", ["c@d.example"], TEXT)
        messages = node.messages()
        assert len(messages) == 2
        assert b"(using TLSv1.3 with cipher " in node.text(messages[0].queue_id)
        assert messages[0].client["proto"] == "ESMTPSA"


def test_a_handshake_that_fails_ends_the_connection(tmp_path: Path) -> None:
    pem = make_self_signed("node.example", ["node.example"]).write(tmp_path, "node")
    with running("smtpd_tls_security_level=may", f"smtpd_tls_chain_files={pem}") as node:
        with socket.create_connection(("127.0.0.1", node.port), PATIENCE_SECONDS) as client:
            client.sendall(b"EHLO me\r\nSTARTTLS\r\n")
            heard = b""
            while b"Ready to start TLS" not in heard:
                heard += client.recv(4096)
            client.sendall(b"this is no handshake\r\n")
            with suppress(ConnectionError):  # either way of ending a connection will do
                while client.recv(4096):
                    pass
        with connect(node) as after:
            assert after.noop()[0] == 250
    assert any("SSL_accept error" in line for line in node.told)


def test_a_large_message_is_streamed(tmp_path: Path) -> None:
    line = b"x" * 70 + b"\r\n"
    body = line * 300_000  # 21 MB
    largest = 0
    files = Files(tmp_path / "content")
    write = files.write

    def watch(descriptor: int, octets: bytes) -> None:
        nonlocal largest
        largest = max(largest, len(octets))
        write(descriptor, octets)

    files.write = watch  # type: ignore[method-assign]
    with running("message_size_limit=0", spool=SqliteSpool(tmp_path, WallClock(), files=files)) as node:
        heard = talk(
            node.port, b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nFrom: a@b\r\n\r\n" + body + b".\r\nQUIT\r\n"
        )
        assert b"Ok: queued as" in heard
        (message,) = node.messages()
        assert message.size_octets > len(body)
        assert node.text(message.queue_id).endswith(b"\r\n\r\n" + body)
    assert 0 < largest < 3 * 1024 * 1024


def test_a_client_that_goes_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with running(spool=SqliteSpool(tmp_path, WallClock())) as node:
        with socket.create_connection(("127.0.0.1", node.port), PATIENCE_SECONDS) as client:
            client.sendall(
                b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nFrom: a@b\r\n\r\n" + 20_000 * b"0123456789\r\n"
            )
            while b"354" not in client.recv(4096):
                pass
        assert b"Bye" in talk(node.port, b"QUIT\r\n")
    assert list((tmp_path / "content").iterdir()) == []
    assert any(line.startswith("lost connection after DATA") for line in node.told)


class FullSpool(SqliteSpool):
    """A disk without room."""

    async def accept(self, submission: Submission, content: object) -> NotAccepted:
        return NotAccepted(Unaccepted.FULL, "no space")


def test_a_full_disk_is_452(tmp_path: Path) -> None:
    with running("message_size_limit=0", spool=FullSpool(tmp_path, WallClock())) as node:
        for size in (10, 100_000):
            with connect(node) as client, pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("a@b.example", ["c@d.example"], "Subject: x\r\n\r\n" + size * "0123456789\r\n")
            assert refused.value.smtp_code == 452
            assert b"4.3.1" in refused.value.smtp_error
        assert node.messages() == ()


@pytest.mark.parameter("smtpd_client_connection_count_limit", "smtpd_client_event_limit_exceptions")
def test_too_many_connections_of_one_client() -> None:
    given = ("smtpd_client_connection_count_limit=2", "smtpd_client_event_limit_exceptions=192.0.2.0/24")
    with running(*given) as node:
        with connect(node), connect(node):
            heard = talk(node.port, b"")
            assert heard == b"421 4.7.0 node.example Error: too many connections from 127.0.0.1\r\n"
        assert talk(node.port, b"QUIT\r\n").startswith(b"220")


def test_stopping_says_so() -> None:
    node = Running(make_settings(), MemorySpool(WallClock()))
    node.start()
    with socket.create_connection(("127.0.0.1", node.port), PATIENCE_SECONDS) as client:
        assert client.recv(4096).startswith(b"220")
        node.stop()
        assert client.recv(4096) == b"421 4.3.2 node.example Service shutting down\r\n"


@pytest.mark.parameter("message_size_limit")
def test_new_settings_hold_for_new_clients() -> None:
    with running() as node, connect(node) as old:
        old.ehlo()
        node._loop.call_soon_threadsafe(node.intake.reload, make_settings("message_size_limit=4711"))
        with connect(node) as new:
            new.ehlo()
            assert new.esmtp_features["size"] == "4711"
        assert old.esmtp_features["size"] == "10240000"


def test_settings_that_make_no_sense_change_nothing() -> None:
    with running("smtpd_peername_lookup=no") as node, connect(node) as client:
        for wrong in ("smtpd_sasl_auth_enable=yes", "mynetworks=300.0.0.0/8"):
            with pytest.raises(WrongConfiguration):
                node.intake.prepare(make_settings(wrong, "message_size_limit=4711"))
        put = node.intake.prepare(make_settings("message_size_limit=4711"))
        client.ehlo()
        assert client.esmtp_features["size"] == "10240000", "what is ready is not in effect"
        node._loop.call_soon_threadsafe(put)
        with connect(node) as new:
            new.ehlo()
            assert new.esmtp_features["size"] == "4711"
            assert new.docmd("NOOP") == (250, b"2.0.0 Ok")
    assert node.told[0] == "connect from unknown[127.0.0.1]"
    assert any(line == "connect from localhost[127.0.0.1]" for line in node.told), "names are asked for now"


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("smtpd_sasl_auth_enable=yes", "intake_password_maps"),
        ("smtpd_tls_security_level=may", "smtpd_tls_chain_files"),
        ("mynetworks=300.0.0.0/8", "mynetworks"),
    ],
)
def test_what_makes_no_sense_is_found_at_the_start(override: str, match: str) -> None:
    with pytest.raises(WrongConfiguration, match=match):
        Intake(make_settings(override), lambda line: None)


@needs_smtp_source
@pytest.mark.parametrize("more", [[], ["-d"], ["-L", "-d"]], ids=["one each", "many each", "lmtp"])
def test_a_crowd_of_smtp_sources(tmp_path: Path, more: list[str]) -> None:
    assert SMTP_SOURCE is not None
    with running(f"intake_lmtp_listen=unix:{tmp_path}/lmtp", spool=SqliteSpool(tmp_path, WallClock())) as node:
        place = f"unix:{tmp_path}/lmtp" if "-L" in more else f"127.0.0.1:{node.port}"
        command = [
            SMTP_SOURCE,
            *more,
            "-s",
            "10",
            "-m",
            "200",
            "-l",
            "4096",
            "-r",
            "2",
            "-f",
            "a@b.example",
            "-t",
            "c@d.example",
        ]
        subprocess.run([*command, place], check=True, timeout=PATIENCE_SECONDS, capture_output=True)
        messages = node.messages()
        assert len(messages) == 200
        assert {message.recipients_total for message in messages} == {2}


@pytest.mark.parameter(
    "mail_name", "smtpd_banner", "smtpd_helo_required", "smtpd_discard_ehlo_keywords", "smtpd_recipient_limit"
)
def test_settings_reach_the_conversation() -> None:
    given = (
        "mail_name=Rider", "smtpd_banner=$myhostname here", "smtpd_helo_required=yes", "smtpd_discard_ehlo_keywords=dsn, SIZE",
        "smtpd_recipient_limit=1",
    )  # fmt: skip
    with running(*given) as node:
        heard = talk(node.port, b"MAIL FROM:<a@b>\r\n" + GROUP.replace(b"HLO", b"EHLO"))
        assert heard.startswith(b"220 node.example here\r\n503 5.5.1 Error: send HELO/EHLO first\r\n")
        assert b"DSN" not in heard
        assert b"SIZE" not in heard
        assert b"452 4.5.3 Error: too many recipients" in heard
        (message,) = node.messages()
        assert b"\tby node.example (Rider) with ESMTP id " in node.text(message.queue_id)


@pytest.mark.parameter("always_add_missing_headers", "local_header_rewrite_clients", "hopcount_limit", "smtpd_peername_lookup")
def test_whose_header_is_completed() -> None:
    lines = b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"
    cases = {
        ("local_header_rewrite_clients=",): False,
        ("local_header_rewrite_clients=permit_mynetworks",): True,
        ("local_header_rewrite_clients=", "always_add_missing_headers=yes"): True,
    }
    for given, expected in cases.items():
        with running("smtpd_peername_lookup=no", *given) as node:
            assert b"queued as" in talk(node.port, lines)
            (message,) = node.messages()
            text = node.text(message.queue_id)
            assert (b"Message-Id: " in text) is expected
            assert b"from me (unknown [127.0.0.1])" in text
    with running("hopcount_limit=1") as node:
        assert b"554 5.4.0" in talk(node.port, lines.replace(b"Subject: x", b"Received: y"))


@pytest.mark.parameter(
    "smtpd_forbid_bare_newline", "smtpd_forbid_bare_newline_exclusions", "smtpd_forbid_bare_newline_reject_code"
)
def test_bare_line_feeds() -> None:
    lines = b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\n.\n\r\n.\r\nQUIT\r\n"
    with running() as node:
        assert talk(node.port, lines).count(b"queued as") == 1
    refusing = ("smtpd_forbid_bare_newline=reject", "smtpd_forbid_bare_newline_reject_code=554")
    with running(*refusing, "smtpd_forbid_bare_newline_exclusions=") as node:
        assert b"554 5.5.2 node.example Error: bare <LF> received" in talk(node.port, lines)
    with running(*refusing) as node:
        assert talk(node.port, lines).count(b"queued as") == 1


@pytest.mark.parameter("smtpd_authorized_xforward_hosts")
def test_who_may_speak_for_others() -> None:
    with running("smtpd_authorized_xforward_hosts=127.0.0.0/8") as node:
        assert b"250 2.0.0 Ok" in talk(node.port, b"XFORWARD NAME=x\r\nQUIT\r\n")
    with running() as node:
        assert b"550 5.7.0" in talk(node.port, b"XFORWARD NAME=x\r\nQUIT\r\n")


@pytest.mark.parameter("smtpd_hard_error_limit", "smtpd_soft_error_limit", "smtpd_error_sleep_time")
def test_who_errs_too_often_is_put_out() -> None:
    with running("smtpd_hard_error_limit=3", "smtpd_soft_error_limit=1", "smtpd_error_sleep_time=0") as node:
        assert talk(node.port, b"X\r\n" * 5).endswith(b"421 4.7.0 node.example Error: too many errors\r\n")
