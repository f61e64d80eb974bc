"""`mailrider sendmail` from standard input to the queue."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import re
from pathlib import Path

import pytest

from mailrider.cli import sendmail_run
from mailrider.cli.main import main
from mailrider.cli.sendmail_run import run_sendmail
from mailrider.dsn.wrap import format_date
from mailrider.errors import WrongUsage
from mailrider.model.request import BodyType, Notify
from mailrider.spool.files import Files
from mailrider.spool.opening import open_spool
from mailrider.spool.spool import Order, Selection, StoredMessage

from .kept import list_kept


class Site:
    """A directory with main.cf, and the queue that it names."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.queue = str(folder / "queue")
        self._monkeypatch = monkeypatch
        (folder / "main.cf").write_text(
            f"queue_directory = {self.queue}\nmyhostname = host.example\nmyorigin = example.com\nmessage_size_limit = 100000\n"
            "smtputf8_enable = yes\n"
        )
        monkeypatch.setattr(sendmail_run, "_who_calls", lambda: ("joe", "Joe Doe"))
        monkeypatch.delenv("NAME", raising=False)

    def send(self, text: bytes, *arguments: str) -> int:
        stream = io.TextIOWrapper(io.BytesIO(text))
        self._monkeypatch.setattr("sys.stdin", stream)
        return run_sendmail(["-C", str(self.folder), *arguments])

    def kept(self) -> list[tuple[StoredMessage, bytes]]:
        return list_kept(self.queue)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_a_plain_message(site: Site) -> None:
    assert site.send(b"Subject: x\n\nHello\n", "b@b.example", "mary") == 0
    ((message, text),) = site.kept()
    assert message.envelope.sender == "joe@example.com"
    assert [one.address for one in message.envelope.recipients] == ["b@b.example", "mary@example.com"]
    assert (message.origin, message.envelope.body, message.envelope.smtputf8) == ("sendmail", BodyType.UNKNOWN, False)
    date = re.escape(format_date(message.arrival_seconds)).encode()
    identity = message.queue_id.encode()
    assert re.fullmatch(
        rb"Received: by host\.example \(Postfix, from userid \d+\)\r\n\tid %b; %b\r\n"
        rb"Subject: x\r\n"
        rb"Message-Id: <%b@host\.example>\r\nDate: %b\r\nFrom: Joe Doe <joe@example\.com>\r\n"
        rb"\r\nHello\r\n" % (identity, date, identity, date),
        text,
    )


def test_recipients_of_the_header_are_added(site: Site) -> None:
    text = b"To: a@b.example\nBcc: Mary <mary>, A@B.example\n\nx\n"
    assert site.send(text, "-t", "-i", "c@c.example", "-N", "success", "-R", "hdrs", "-V", "id") == 0
    ((message, kept),) = site.kept()
    assert [one.address for one in message.envelope.recipients] == ["c@c.example", "A@B.example", "mary@example.com"]
    assert {one.notify for one in message.envelope.recipients} == {Notify.SUCCESS}
    assert (message.envelope.ret, message.envelope.envid) == ("hdrs", "id")
    assert b"Bcc" not in kept


@pytest.mark.parametrize("sender", ["", "<>"])
def test_the_null_sender(site: Site, sender: str) -> None:
    assert site.send(b"", "-f", sender, "b@b.example") == 0
    ((message, text),) = site.kept()
    assert message.envelope.sender == ""
    assert b"\r\nFrom: MAILER-DAEMON@example.com\r\n" in text


def test_a_name_on_the_command_line_goes_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "From Outside")
    site.send(b"\n", "-f", "x@y.example", "-F", "The Name", "b@b.example")
    site.send(b"\n", "-f", "Mister X <x@y.example>", "b@b.example")
    (_, one), (message, other) = site.kept()
    assert b"From: The Name <x@y.example>" in one
    assert b"From: From Outside <x@y.example>" in other
    assert message.envelope.sender == "x@y.example"


def test_what_a_recipient_was_called_is_told_in_utf8(site: Site) -> None:
    site.send(b"\n", "jürgen@b.example", "b@b.example")
    ((message, _),) = site.kept()
    assert [one.orcpt for one in message.envelope.recipients] == ["utf-8;jürgen@b.example", ""]


def test_eight_bit_labels_and_utf8(site: Site) -> None:
    site.send(b"Content-Transfer-Encoding: 8bit\n\n\xc3\xa4\n", "b@b.example")
    site.send(b"\n\xc3\xa4\n", "-B", "8BITMIME", "b@b.example")
    site.send("Subject: ä\n\n".encode(), "b@b.example")
    site.send("Subject: ä\n\n".encode(), "-O", "smtputf8=no", "-O", "requiretls=yes", "b@b.example")
    site.send("Subject: ä\n\n".encode("latin-1"), "b@b.example")
    envelopes = [message.envelope for message, _ in site.kept()]
    assert [one.body for one in envelopes] == [BodyType.EIGHT_BIT] * 2 + [BodyType.UNKNOWN] * 3
    assert [one.smtputf8 for one in envelopes] == [False, False, True, False, False]
    assert [one.requiretls for one in envelopes] == [False, False, False, True, False]


@pytest.mark.parameter("smtputf8_autodetect_classes")
def test_utf8_is_looked_for_where_the_operator_wants_it(site: Site) -> None:
    for classes in ("sendmail", "all", "verify, bounce"):
        site.send("Subject: ä\n\n".encode(), "-o", f"smtputf8_autodetect_classes={classes}", "b@b.example")
    assert [message.envelope.smtputf8 for message, _ in site.kept()] == [True, True, False]


def test_nobody_to_send_to(site: Site) -> None:
    with pytest.raises(WrongUsage, match="No recipient addresses found in message header"):
        site.send(b"Subject: x\n\n", "-t")
    with pytest.raises(WrongUsage, match="must be specified on the command line or via the -t option"):
        site.send(b"Subject: x\n\n")
    with pytest.raises(WrongUsage, match="control character"):
        site.send(b"\n", "a\x01@b.example")
    assert not os.path.exists(site.queue)


@pytest.mark.parametrize("argument", ["", "<>", '""'])
@pytest.mark.parameter("empty_address_recipient")
def test_mail_to_the_empty_address_has_a_recipient(site: Site, argument: str) -> None:
    with (site.folder / "main.cf").open("a") as file:
        file.write("empty_address_recipient = nobody\n")
    assert site.send(b"Subject: x\n\nHello\n", argument) == 0
    ((message, _),) = site.kept()
    assert [one.address for one in message.envelope.recipients] == ["nobody@example.com"]


def test_addresses_are_written_as_at_the_other_doors(site: Site) -> None:
    text = b"To: <@r1,@r2:b@x.example>\nCc: c@x.example.\nReply-To: e@y.example.\n\nx\n"
    given = ("<@r.example:a@x.example>", "d@x.example.", "s!u")
    assert site.send(text, "-t", "-f", "<@r.example:me@x.example>", "--", *given) == 0
    ((message, kept),) = site.kept()
    assert message.envelope.sender == "me@x.example"
    addresses = [one.address for one in message.envelope.recipients]
    assert addresses == ["a@x.example", "d@x.example", "u@s.example", "b@x.example", "c@x.example"]
    assert b"\r\nTo: <b@x.example>\r\nCc: c@x.example\r\nReply-To: e@y.example\r\n" in kept


def test_mail_of_mailer_daemon_wants_no_answer(site: Site) -> None:
    assert site.send(b"\n", "-f", "MAILER-DAEMON", "b@b.example") == 0
    ((message, _),) = site.kept()
    assert message.envelope.sender == ""


def test_a_line_with_nothing_but_a_blank_does_not_end_the_header(site: Site) -> None:
    assert site.send(b"To: a@b.example\nSubject: z\n \nBcc: s@b.example\nX: y\n\nhi\n", "-t") == 0
    ((message, kept),) = site.kept()
    assert [one.address for one in message.envelope.recipients] == ["a@b.example", "s@b.example"]
    assert b"Bcc" not in kept
    assert b"\r\nSubject: z\r\n \r\nX: y\r\nMessage-Id: " in kept
    assert kept.endswith(b"\r\n\r\nhi\r\n")


def test_an_old_line_for_cron_does_nothing(site: Site) -> None:
    assert site.send(b"", "-q30m") == 0
    assert not os.path.exists(site.queue)
    assert site.send(b"\n", "-q30m", "b@b.example") == 0
    assert len(site.kept()) == 1


def test_a_message_over_the_limit(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.send(b"\n" + b"0123456789" * 20_000, "b@b.example") == 69
    assert "message file too big" in capsys.readouterr().err
    assert site.kept() == []
    assert os.listdir(Path(site.queue) / "content") == []


def test_a_large_message_within_the_limit(site: Site) -> None:
    assert site.send(b"Subject: x\n\n" + b"01234567\n" * 10_000, "b@b.example") == 0
    ((message, text),) = site.kept()
    assert message.size_octets == len(text) > 100_000


def test_a_full_disk(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Files, "free_octets", lambda files: 1000)
    assert site.send(b"Subject: x\n\n", "b@b.example") == 75
    assert "insufficient system storage" in capsys.readouterr().err


def test_a_queue_that_cannot_be_opened(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*arguments: object, **more: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("mailrider.spool.sqlite_schema.os.open", refuse)
    assert site.send(b"Subject: x\n\n", "b@b.example") == 75
    assert "cannot open the queue" in capsys.readouterr().err


def test_flushing(site: Site) -> None:
    site.send(b"\n", "a@a.example")
    site.send(b"\n", "b@b.example")

    async def hold_back() -> None:
        async with open_spool(site.queue) as spool:
            await spool.administer(Order.HOLD, Selection(everything=True))
            await spool.administer(Order.RELEASE, Selection(everything=True))

    asyncio.run(hold_back())
    first = site.kept()[0][0].queue_id
    for arguments in (["-q"], [f"-qI{first}"], ["-qRb.example"]):
        assert site.send(b"", *arguments) == 0


def test_listing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.send(b"", "-bp") == 0
    assert capsys.readouterr().out == "Mail queue is empty\n"
    site.send(b"\n", "b@b.example")
    assert site.send(b"", "-bp") == 0
    out = capsys.readouterr().out
    assert "b@b.example" in out
    assert out.startswith("-Queue ID-")


@pytest.mark.parametrize("argument", ["-bi", "-I", "-bh"])
def test_what_there_is_nothing_to_do_for(site: Site, argument: str) -> None:
    assert site.send(b"", argument) == 0
    assert not os.path.exists(site.queue)


def test_it_is_a_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Subject: x\n\n")))
    with pytest.raises(SystemExit) as ended:
        main(["sendmail", "-C", str(site.folder), "-t", "-oi", "-f", "a@b.example", "--", "b@b.example"])
    assert ended.value.code == 0
    assert len(site.kept()) == 1
