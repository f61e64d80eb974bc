"""Where a node's log goes, and what it says when the node is ready."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mailrider.cli.workplace import open_log, open_outlet, reopen_log
from mailrider.events import RecipientSettled
from mailrider.machine import read_settings
from mailrider.model.outcome import Outcome, Status
from mailrider.model.request import DeliveryRequest, Envelope, Recipient
from mailrider.observe.outlets import LogFile, StandardError, Syslog
from mailrider.settings import Settings
from mailrider.spool.message import MemoryMessage


def make(**values: str) -> Settings:
    return read_settings(None, [f"{name}={value}" for name, value in {"myhostname": "mail.here.example", **values}.items()])


@pytest.mark.parameter("log_destination", "syslog_facility", "syslog_name", "maillog_file")
def test_where_the_log_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_outlet(make()), StandardError)
    outlet = open_outlet(make(maillog_file=str(tmp_path / "log")))
    assert isinstance(outlet, LogFile)
    outlet.write("hello")
    outlet.flush()
    assert (tmp_path / "log").read_text() == "hello\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "dev-log"))
        ear.settimeout(60)
        monkeypatch.setattr(Syslog.__init__, "__defaults__", (str(tmp_path / "dev-log"),))
        settings = make(log_destination="syslog", syslog_facility="local3", syslog_name="node")
        outlet = open_outlet(settings)
        assert isinstance(outlet, Syslog)
        open_log(settings, outlet).warn("careful")
        heard = ear.recv(1000).decode()
        outlet.reopen()
    assert heard.startswith("<156>")  # facility 19, severity 4
    assert " node/qmgr[" in heard
    assert heard.endswith("]: warning: careful")


def test_the_log_of_a_service_has_its_own_tag(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("myhostname = mail.here.example\nmaillog_file = $config_directory/log\n")
    (tmp_path / "master.cf").write_text("slow unix - - n - - smtp -o syslog_name=postfix/slow\n")
    settings = read_settings(tmp_path)
    outlet = open_outlet(settings)
    assert isinstance(outlet, LogFile)
    envelope = Envelope("a@x.test", (Recipient("b@x.test"),))
    request = DeliveryRequest(envelope, MemoryMessage(b""), "x.test", service="slow", queue_id="Q1")
    open_log(settings, outlet)(RecipientSettled(request, envelope.recipients[0], Outcome(Status.SENT, "2.0.0", "250 ok")))
    outlet.flush()
    assert " postfix/slow/smtp[" in (tmp_path / "log").read_text()


def test_a_log_that_cannot_be_opened_anew_says_so_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    settings = make(maillog_file=str(tmp_path / "logs" / "log"))
    outlet = open_outlet(settings)
    log = open_log(settings, outlet)
    (tmp_path / "logs").rename(tmp_path / "moved")
    reopen_log(outlet, log)
    outlet.flush()
    (line,) = (tmp_path / "moved" / "log").read_text().splitlines()
    assert " mail postfix/master[" in line
    assert line.endswith(f"maillog_file = {tmp_path}/logs/log: No such file or directory: the log goes on where it was")
    assert "]: warning: " in line
    (tmp_path / "logs").mkdir()
    reopen_log(outlet, log)
    log.tell("here")
    outlet.flush()
    assert (tmp_path / "logs" / "log").read_text().endswith(": here\n")
