"""`mailrider agent check`: what it finds in an installation, and that it is silent about what works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailrider.cli import agent_check
from mailrider.cli.agent import agent
from mailrider.cli.agent_check import check, read_postfix_settings, run_check
from mailrider.errors import WrongConfiguration, WrongUsage

MASTER_CF = "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n        -o syslog_name=postfix/$service_name\n"
OUR_LINE = "ours unix - - n - 1 ../../../opt/mailrider/bin/mailrider agent --transport smtp\n"


@pytest.fixture(autouse=True)
def no_postconf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_check, "find_out_release", lambda settings, directory: (3, 7))


def remarks(folder: Path, main_cf: str = "", master_cf: str = MASTER_CF + OUR_LINE) -> list[str]:
    (folder / "main.cf").write_text(f"queue_directory = {folder}\n{main_cf}")
    (folder / "master.cf").write_text(master_cf)
    return [str(remark) for remark in check(read_postfix_settings(folder, ()), folder)]


def test_what_works_is_not_mentioned(tmp_path: Path) -> None:
    main_cf = (
        "smtp_tls_security_level = may\nrelayhost = [mx.example.org]:587\nmynetworks = 127.0.0.0/8\n"
        "maximal_queue_lifetime = 2d\nsmtpd_tls_security_level = may\nvirtual_alias_maps = hash:/etc/postfix/virtual\n"
    )
    assert remarks(tmp_path, main_cf) == []


def test_remarks_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remarks(tmp_path, "smtp_connect_timeout = soon\n")
    assert run_check(tmp_path, (), as_json=True) == 78
    told = json.loads(capsys.readouterr().out)
    assert told["directory"] == str(tmp_path)
    (remark,) = [remark for remark in told["remarks"] if remark["weight"] == "error"]
    assert "smtp_connect_timeout = soon" in remark["text"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--flags", "DQ"], "--flags DQ: expected letters of DORX"), (["--json"], "--json goes with check")],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(agent, ["-c", "/nonexistent", *arguments])
    assert isinstance(result.exception, WrongUsage)
    assert str(result.exception) == words


def test_nobody_runs_it_yet(tmp_path: Path) -> None:
    (remark,) = remarks(tmp_path, master_cf=MASTER_CF)
    assert remark == f"note:    {tmp_path}/master.cf: no service runs mailrider yet; see docs/postfix.md for the line"


@pytest.mark.parametrize(
    ("setting", "weight", "text"),
    [
        ("smtp_connect_timeout = soon", "error", "smtp_connect_timeout = soon: expected"),
        ("hash_queue_depth = 9", "error", "hash_queue_depth = 9"),
        ("smtp_tls_session_cache_database = btree:/x", "note", "and not by tlsmgr(8)"),
        ("lmtp_tls_session_cache_database = btree:/x", "note", "lmtp_tls_session_cache_database: TLS sessions"),
        ("max_use = 10", "note", "max_use: counts"),
    ],
)
def test_one_setting(tmp_path: Path, setting: str, weight: str, text: str) -> None:
    found = [remark for remark in remarks(tmp_path, setting + "\n") if text in remark]
    assert found
    assert found[0].startswith(weight + ":")


def test_a_key_that_only_root_can_read(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("")
    key.chmod(0o600)
    main_cf = f"mail_owner = nobody\nsmtp_tls_key_file = {key}\n"
    found = [remark for remark in remarks(tmp_path, main_cf) if "smtp_tls_key_file" in remark]
    assert found == [
        f"differs: {tmp_path}/main.cf, line 3: smtp_tls_key_file: nobody cannot read {key}, which smtp(8) reads as root: "
        f"chgrp nobody {key}; chmod 640 {key}"
    ]
    key.chmod(0o644)
    assert not [remark for remark in remarks(tmp_path, main_cf) if "smtp_tls_key_file" in remark]


def test_lines_of_master_cf(tmp_path: Path) -> None:
    master_cf = (
        "smtp unix - - n - 20 smtp\nslow unix - - y - 1 smtp\nours unix - - n - - ../bin/mailrider agent\n"
        "smtp inet n - n - 10 smtpd\n"
    )
    limit, chroot, ours = remarks(tmp_path, master_cf=master_cf)
    assert "master.cf, line 1: smtp: 20 processes mean 20 deliveries at most" in limit
    assert "--most-at-once 20 --workers 1" in limit
    assert "master.cf, line 2: slow: runs in a chroot" in chroot
    assert "master.cf, line 3: ours: one process of the agent serves all requests" in ours


def test_the_exit_code_and_the_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remarks(tmp_path)
    assert run_check(tmp_path, ()) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 0 errors, 0 differences, 0 notes\n"
    remarks(tmp_path, "smtp_connect_timeout = soon\n")
    assert run_check(tmp_path, ()) == 78
    assert capsys.readouterr().out.startswith("error:   ")


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(WrongConfiguration, match=r"has no main\.cf"):
        read_postfix_settings(tmp_path, ())
