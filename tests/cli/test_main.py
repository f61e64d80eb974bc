"""The command itself: which subcommand, which exit code, and one sentence instead of a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from mailrider import errors
from mailrider.cli import main as main_module
from mailrider.cli.main import COMMANDS, main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("deliver", "--help"), ("config", "--help"), ("demo", "--help")])
def test_help(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 0
    said = capsys.readouterr()
    assert "Usage: mailrider" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["-c", "d", "deliver", "-v"], ["deliver", "-c", "d", "-v"]),
        (["-cd", "-o", "a=b", "-vv", "deliver", "x"], ["deliver", "-cd", "-o", "a=b", "-vv", "x"]),
        (["--service", "relay", "deliver", "x"], ["deliver", "--service", "relay", "x"]),
        (["--service=relay", "deliver"], ["deliver", "--service=relay"]),
        (["deliver", "-c", "d"], ["deliver", "-c", "d"]),
        (["-c", "d", "--help"], ["-c", "d", "--help"]),
        (["-c", "d"], ["-c", "d"]),
        (["--help"], ["--help"]),
        ([], []),
    ],
)
def test_shared_options_may_stand_before_the_command(arguments: list[str], first: list[str]) -> None:
    assert main_module._put_command_first(arguments) == first


def test_the_list_of_commands_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    run("--help")
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in COMMANDS)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out in {f"mailrider {version('mailrider')}{how}\n" for how in ("", " (compiled)")}


def test_nothing_at_all_is_wrong_usage_and_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert "Usage: mailrider" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("--nonsense",), "No such option"),
        (("deliver", "--nonsense"), "No such option"),
        (("deliver", "--transport", "uucp"), "'uucp' is not one of"),
        (("deliver", "--age", "old"), "'old' is not a valid whole number"),
        (("deliver", "--age", "-1"), "Invalid value for '--age'"),
        (("deliver", "-o"), "requires an argument"),
        (("deliver", "one", "two"), "unexpected extra argument"),
        (("no\x1bsense\n",), "No such command"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("mailrider: ")
    assert said.err.endswith("\n")
    assert said.err[:-1].isprintable()
    assert words in said.err


def install(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Make a command `try` out of a function."""
    module = types.ModuleType("command_for_tests")
    setattr(module, "try", click.command("try")(act))
    monkeypatch.setitem(sys.modules, "command_for_tests", module)
    monkeypatch.setitem(main_module.COMMANDS, "try", ("command_for_tests", "for tests"))


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (errors.WrongUsage("no such thing"), 64, "no such thing"),
        (errors.MissingInput("no such file"), 66, "no such file"),
        (errors.CannotCreate("is there"), 73, "is there"),
        (errors.WrongConfiguration("main.cf, line 3: no"), 78, "main.cf, line 3: no"),
        (errors.TableTrouble("hash:/x"), 75, "hash:/x"),
        (errors.BrokenPromise("oh"), 70, "oh"),
        (errors.ContentUnreadable("gone"), 70, "gone"),
        (errors.WrongUsage("bell \a and\nline"), 64, "bell ? and?line"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.exceptions.Abort(), 130, "interrupted"),
        (click.UsageError("two\nlines"), 64, "two lines"),
        (OSError(28, "No space left on device"), 74, "input or output has failed: No space left on device"),
        (OSError("odd"), 74, "input or output has failed: odd"),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    error: BaseException, code: int, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> None:
        raise error

    monkeypatch.setattr(main_module, "_give_up_output", lambda: None)  # it is the test run's own
    install(monkeypatch, act)
    assert run("try") == code
    assert capsys.readouterr().err.lstrip("\n") == f"mailrider: {sentence}\n"  # click ends the line that ^C stands on


def test_a_reader_that_went_away_hears_nothing_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> None:
        raise BrokenPipeError

    given_up: list[bool] = []
    monkeypatch.setattr(main_module, "_give_up_output", lambda: given_up.append(True))
    install(monkeypatch, act)
    assert run("try") == 75
    assert given_up == [True]
    assert capsys.readouterr().err == ""


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["try"])


def test_a_command_that_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda: None)
    assert run("try") == 0


# In a process of its own


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `$M` is the command."""
    command = f"{sys.executable} -m mailrider"
    environment = {**os.environ, "M": command}
    return subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=False)


needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@needs_dev_full
def test_an_output_that_is_full_is_told_in_a_sentence() -> None:
    done = shell("$M --help >/dev/full")
    assert (done.returncode, done.stderr) == (74, "mailrider: input or output has failed: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_do_no_harm(closed: str, tmp_path: Path) -> None:
    """A socket that took the place of one would be written to; an event loop that did would be aborted."""
    message = tmp_path / "message"
    message.write_bytes(b"x\n")
    done = shell(f"$M deliver --nexthop '[127.0.0.1]:1' --sender '' --recipient b@example.test {message} {closed}")
    assert done.returncode == 75
    assert ("Connection refused" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))
    assert ("status=deferred" in done.stderr) == ("2>&-" not in closed)


def test_errors_do_not_end_up_in_the_output_where_there_is_no_place_for_them() -> None:
    done = shell("$M deliver --nonsense 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (64, "", "")


def test_a_message_from_a_closed_standard_input() -> None:
    done = shell("$M deliver --nexthop x --sender '' --recipient b@example.test - <&-")
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr == "mailrider: cannot read the message: standard input is closed\n"


@pytest.mark.parametrize(
    ("command", "what"), [("sendmail you@example.test", "the message"), ("table -q - inline:{a=b}", "keys")]
)
def test_a_closed_standard_input_is_told_in_a_sentence(command: str, what: str) -> None:
    done = shell(f"$M {command} <&-")
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr == f"mailrider: cannot read {what}: standard input is closed\n"
