"""From orders to an agent: settings of a service, its socket, which Postfix there is, and why there will be none."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from mailrider.cli.agent_process import find_out_release, listen_at, read_agent_settings, run_for_master
from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.model.request import Transport
from mailrider.settings import Settings

OWNER = "nobody"


def settings(folder: Path, *overrides: str, text: str = "", flags: str = "") -> Settings:
    (folder / "main.cf").write_text(text)
    return read_agent_settings(folder, overrides, "final", Transport.LMTP, flags)


def test_the_settings_of_a_service(tmp_path: Path) -> None:
    found = settings(tmp_path, "lmtp_connect_timeout=7", "mine = x", text="syslog_name = postfix/$service_name\n", flags="DX")
    service = found.for_service("final", Transport.LMTP)
    assert service.smtp_connect_timeout == 7
    assert service.syslog_name == "postfix/final"
    assert service.delivery_flags == "DX"


def test_what_an_option_says_to_nobody_is_no_error(tmp_path: Path) -> None:
    assert settings(tmp_path, "nobody_knows=1", "max_idle=5").max_idle == 5


@pytest.mark.parametrize(("version", "release"), [("3.5.6", (3, 5)), ("3.7.11", (3, 7)), ("", (3, 7))])
def test_which_postfix_there_is(tmp_path: Path, version: str, release: tuple[int, int]) -> None:
    command = tmp_path / "postconf"
    command.write_text(f'#!/bin/sh\n[ "$*" = "-c {tmp_path} -h mail_version" ] && echo {version}\n')
    command.chmod(0o755)
    assert find_out_release(settings(tmp_path, text=f"command_directory = {tmp_path}\n"), tmp_path) == release


def test_a_postfix_that_does_not_tell_is_the_usual_one(tmp_path: Path) -> None:
    assert find_out_release(settings(tmp_path, text=f"command_directory = {tmp_path}\n"), tmp_path) == (3, 7)


def test_a_socket_in_the_place_of_a_dead_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listen_at("s", OWNER).close()
    with listen_at("s", OWNER) as listener, socket.socket(socket.AF_UNIX) as caller:
        assert not listener.getblocking()
        caller.connect("s")
        found = os.stat("s")
        assert stat.S_IMODE(found.st_mode) == 0o666
        assert os.listdir() == ["s"]
        with pytest.raises(WrongUsage, match="somebody listens there already"):
            listen_at("s", OWNER)


@pytest.mark.parametrize("owner", [OWNER, "no-such-user"])
def test_a_socket_that_comes_to_nothing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir("s")
    with pytest.raises(WrongConfiguration):
        listen_at("s", owner)
    assert os.listdir() == ["s"]


def test_a_place_where_nobody_can_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongConfiguration, match="cannot listen at private/x"):
        listen_at("private/x", OWNER)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["-t", "inet", "agent"], "a delivery agent is of type unix"), (["agent", "flags=Z"], "expected flags=")],
)
def test_why_there_will_be_no_agent_stands_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setattr("mailrider.cli.agent_process.FAILED_START_SECONDS", 0.0)
    monkeypatch.setenv("POSTLOG_SERVICE", str(tmp_path / "log"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        assert run_for_master("mailrider", arguments) == 1
        line = log.recv(4096).decode()
    assert ": fatal: master.cf: " in line
    assert said in line
