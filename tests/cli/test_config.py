from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailrider.cli.config import config
from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.settings import Settings

pytestmark = pytest.mark.usefixtures("no_configuration")


def write(directory: Path, main_cf: str) -> str:
    (directory / "main.cf").write_text(main_cf, "utf-8")
    return str(directory)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(config, arguments)


def test_values_are_shown_unexpanded_and_sorted(tmp_path: Path) -> None:
    result = run("-c", write(tmp_path, "relayhost = $mydomain\nzz =\naa = 1,\n  2\n"), "-n")
    assert result.exit_code == 0
    assert result.stdout == f"aa = 1, 2\nconfig_directory = {tmp_path}\nrelayhost = $mydomain\nzz =\n"
    assert result.stderr == ""


def test_values_can_be_expanded_and_bare(tmp_path: Path) -> None:
    directory = write(tmp_path, "mydomain = a.example\nrelayhost = [mx.$mydomain]\n")
    assert run("-c", directory, "-x", "relayhost").stdout == "relayhost = [mx.a.example]\n"
    assert run("-c", directory, "-xh", "relayhost", "mydomain").stdout == "[mx.a.example]\na.example\n"


def test_without_arguments_everything_is_shown() -> None:
    lines = run().stdout.splitlines()
    assert [line.partition(" = ")[0].removesuffix(" =") for line in lines] == Settings.listed_names()


def test_defaults_do_not_know_what_was_set(tmp_path: Path) -> None:
    directory = write(tmp_path, "smtp_helo_timeout = 1s\ncompatibility_level = 3.6\n")
    assert run("-c", directory, "-d", "smtp_helo_timeout").stdout == "smtp_helo_timeout = 300s\n"
    assert run("-c", directory, "-dx", "smtp_tls_fingerprint_digest").stdout == "smtp_tls_fingerprint_digest = md5\n"
    assert run("-c", directory, "-d", "config_directory").stdout == f"config_directory = {tmp_path}\n"


def test_options_are_settings_too() -> None:
    assert run("-o", "relayhost=[a]", "-n").stdout == "relayhost = [a]\n"


def test_an_unknown_name_is_a_warning() -> None:
    result = run("nosuch", "smtp_helo_timeout", "no\x1bsuch")
    assert result.exit_code == 0
    assert result.stdout == "smtp_helo_timeout = 300s\n"
    assert result.stderr == "warning: nosuch: unknown parameter\nwarning: no?such: unknown parameter\n"
    misspelt = run("smtp_helo_timout")
    assert misspelt.stderr == "warning: smtp_helo_timout: unknown parameter; did you mean smtp_helo_timeout?\n"


def test_a_known_name_that_was_not_set_is_passed_over_in_silence() -> None:
    result = run("-n", "smtp_helo_timeout")
    assert (result.stdout, result.stderr) == ("", "")


def test_a_name_of_the_operators_own_can_be_shown(tmp_path: Path) -> None:
    assert run("-c", write(tmp_path, "mine = 1\n"), "mine").stdout == "mine = 1\n"


def test_warnings_of_the_file_are_shown(tmp_path: Path) -> None:
    result = run("-c", write(tmp_path, "mine = 1\nmine = 2\n"), "-h", "mine")
    assert result.stdout == "2\n"
    assert result.stderr == f"warning: {tmp_path}/main.cf, line 2: overriding earlier entry: mine=1\n"


def test_a_wrong_value_is_shown_as_it_is(tmp_path: Path) -> None:
    assert run("-c", write(tmp_path, "smtp_helo_timeout = 5x\n"), "-h", "smtp_helo_timeout").stdout == "5x\n"


def test_bytes_that_are_no_utf8_come_out_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_bytes(b"mine = caf\xe9\n")
    assert run("-c", str(tmp_path), "mine").stdout_bytes == b"mine = caf\xe9\n"
    assert json.loads(run("-c", str(tmp_path), "--json", "mine").stdout)["mine"]["value"] == "caf\udce9"


def test_json_tells_what_is_known(tmp_path: Path) -> None:
    directory = write(tmp_path, "smtp_use_tls = yes\nmine = a  b\n")
    told = json.loads(run("-c", directory, "--json", "smtp_use_tls", "mine", "smtp_helo_timeout").stdout)
    assert list(told) == ["smtp_use_tls", "mine", "smtp_helo_timeout"]
    assert told["mine"] == {"value": "a  b", "set": True, "place": f"{directory}/main.cf, line 2"}
    assert told["smtp_use_tls"]["obsolete"] is True
    helo = told["smtp_helo_timeout"]
    assert (helo["value"], helo["set"], helo["kind"], helo["in_effect"]) == ("300s", False, "Seconds", True)
    assert "place" not in helo


def test_status_counts_every_parameter() -> None:
    lines = run("--status").stdout.splitlines()
    assert lines[0].split() == ["section", "in", "effect", "declared"]
    assert lines[-1].split()[0] == "all"
    assert int(lines[-1].split()[-1]) == len(Settings.declared)
    counted = [tuple(map(int, line.split()[-2:])) for line in lines[1:]]
    assert counted[-1] == tuple(map(sum, zip(*counted[:-1], strict=True)))
    told = json.loads(run("--status", "--json").stdout)
    assert sum(len(section["in_effect"]) + len(section["not_in_effect"]) for section in told.values()) == len(Settings.declared)
    assert sum(len(section["in_effect"]) for section in told.values()) == counted[-1][0]


def test_check_accepts(tmp_path: Path) -> None:
    result = run("-c", write(tmp_path, "relayhost = [a]\nsmtpd_reject_footer = $myhostname\n"), "check")
    assert result.exit_code == 0
    assert result.stdout == "2 parameters set (1 for other programs), no errors, 0 warnings\n"


def test_check_tells_everything_that_is_doubtful(tmp_path: Path) -> None:
    directory = write(tmp_path, "mine = 1\nmine = 2\nsmtp_use_tls = yes\nsmtp_helo_timout = 5\nrelayhost = a$mine.example\n")
    result = run("-c", directory, "check")
    assert result.exit_code == 0
    warnings = result.stderr.splitlines()
    assert f"warning: {directory}/main.cf, line 2: overriding earlier entry: mine=1" in warnings
    assert "warning: smtp_use_tls is obsolete: security levels have taken its place; set smtp_tls_security_level" in warnings
    misspelt = "smtp_helo_timout is unknown and nothing uses it; did you mean smtp_helo_timeout?"
    assert f"warning: {directory}/main.cf, line 4: {misspelt}" in warnings
    assert f"{len(warnings)} warnings" in result.stdout


def test_a_check_in_json_tells_of_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    directory = write(tmp_path, "what is this\n")
    result = run("-c", directory, "check", "--json")
    assert isinstance(result.exception, WrongConfiguration)
    assert json.loads(result.stdout)["errors"] == [str(result.exception)]


def test_check_tries_what_a_start_would_open(tmp_path: Path) -> None:
    directory = write(tmp_path, "smtp_helo_timeout = 5x\nsmtp_header_checks = regexp:/nonexistent\n")
    result = run("-c", directory, "check")
    assert isinstance(result.exception, WrongConfiguration)
    assert "line 1: smtp_helo_timeout = 5x" in result.stderr
    assert f"{directory}/main.cf, line 2: smtp_header_checks: regexp:/nonexistent: cannot read" in str(result.exception)


def test_check_names_every_wrong_value(tmp_path: Path) -> None:
    directory = write(tmp_path, "smtp_helo_timeout = 5x\nsmtp_use_tls = maybe\n")
    result = run("-c", directory, "check")
    assert isinstance(result.exception, WrongConfiguration)
    assert "line 1: smtp_helo_timeout = 5x" in result.stderr
    assert "line 2: smtp_use_tls = maybe" in str(result.exception)
    told = run("-c", directory, "--json", "check")
    assert len(json.loads(told.stdout)["errors"]) == 2
    assert isinstance(told.exception, WrongConfiguration)


@pytest.mark.parametrize(
    ("arguments", "kind", "complaint"),
    [
        (["-nd"], WrongUsage, "specify one of"),
        (["-n", "--status"], WrongUsage, "specify one of"),
        (["-o", "nosuch=1"], WrongUsage, "no such parameter"),
        (["-c", "/nonexistent"], WrongConfiguration, "cannot read"),
        (["check", "relayhost"], WrongUsage, "looks at everything"),
        (["--service", "smtp", "check"], WrongUsage, "looks at everything"),
        (["--service", "relay", "-n"], WrongUsage, "no delivery agent relay in ./master.cf, or no such file"),
        (["-o", "relayhost=${a", "-x", "relayhost"], WrongConfiguration, "truncated"),
    ],
)
def test_errors_are_ours(arguments: list[str], kind: type[Exception], complaint: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, kind)
    assert complaint in str(result.exception)


def test_h_is_not_help() -> None:
    assert run("-h", "smtp_helo_timeout").stdout == "300s\n"
    assert "Usage:" in run("--help").stdout


def test_a_service_has_values_of_its_own(tmp_path: Path) -> None:
    directory = write(tmp_path, "smtp_helo_timeout = 1s\nsmtp_helo_name = $service_name\n")
    (tmp_path / "master.cf").write_text("relay unix - - n - - smtp -o smtp_helo_timeout=5\nlocal unix - - n - - local\n")
    asked = ("smtp_helo_timeout", "smtp_helo_name")
    shown = run("-c", directory, "--service", "relay", "-x", *asked).stdout
    assert shown == "smtp_helo_timeout = 5\nsmtp_helo_name = relay\n"
    assert run("-c", directory, "-h", "smtp_helo_timeout").stdout == "1s\n"
    told = json.loads(run("-c", directory, "--service", "relay", "--json", "smtp_helo_timeout").stdout)
    assert told["smtp_helo_timeout"]["place"] == f"{directory}/master.cf, line 1"
    refused = run("-c", directory, "--service", "local", "-n")
    assert isinstance(refused.exception, WrongUsage)
    assert str(refused.exception) == f"no delivery agent local in {directory}/master.cf; there are relay"


def test_a_service_is_looked_through_by_check(tmp_path: Path) -> None:
    directory = write(tmp_path, "")
    (tmp_path / "master.cf").write_text("relay unix - - n - - smtp -o smtp_helo_timeout=5x\n")
    result = run("-c", directory, "check")
    assert isinstance(result.exception, WrongConfiguration)
    assert "master.cf, line 1: smtp_helo_timeout = 5x" in str(result.exception)


def test_the_command_loads_nothing_heavy() -> None:
    code = "import sys, mailrider.cli.config; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"asyncio", "socket", "ssl", "dns", "rich", "idna", "mailrider.wiring"}.isdisjoint(loaded)
