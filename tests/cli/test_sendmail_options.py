"""The command line of sendmail(1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.cli.sendmail_options import Mode, SendmailOptions, parse_sendmail
from mailrider.errors import WrongUsage
from mailrider.model.request import BodyType, Notify


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", SendmailOptions()),
        ("-t -i", SendmailOptions(extract=True, dot_ends=False)),
        ("-ti", SendmailOptions(extract=True, dot_ends=False)),
        ("-oi -om -o7 -odb -oem", SendmailOptions(dot_ends=False)),
        ("-o i", SendmailOptions(dot_ends=False)),
        ("-t -oi -fjoe@x.example", SendmailOptions(extract=True, dot_ends=False, sender="joe@x.example")),
        ("-f <> a b", SendmailOptions(sender="<>", recipients=["a", "b"])),
        ("-r joe -F Joe -- -a", SendmailOptions(sender="joe", full_name="Joe", recipients=["-a"])),
        ("a -f x b -i c", SendmailOptions(sender="x", dot_ends=False, recipients=["a", "b", "c"])),
        ("-N never -R hdrs -V abc", SendmailOptions(notify=Notify.NEVER, ret="hdrs", envid="abc")),
        ("-N success,Delay", SendmailOptions(notify=Notify.SUCCESS | Notify.DELAY)),
        ("-B8BITMIME", SendmailOptions(body=BodyType.EIGHT_BIT)),
        ("-B 7bit", SendmailOptions(body=BodyType.SEVEN_BIT)),
        ("-bm -Am -G -U -n -m -v -h 5 -L tag -p smtp -X log -x -em", SendmailOptions()),
        ("-bp", SendmailOptions(mode=Mode.LIST)),
        ("-bs", SendmailOptions(mode=Mode.STAND_ALONE)),
        ("-bi", SendmailOptions(mode=Mode.ALIASES)),
        ("-I", SendmailOptions(mode=Mode.ALIASES)),
        ("-q", SendmailOptions(mode=Mode.FLUSH)),
        ("-q30m a", SendmailOptions(has_interval=True, recipients=["a"])),
        ("-qI4jXby", SendmailOptions(mode=Mode.FLUSH, queue_id="4jXby")),
        ("-qRb.example", SendmailOptions(mode=Mode.FLUSH, site="b.example")),
        ("-C /etc/x -c /etc/y", SendmailOptions(directory="/etc/y")),
        ("-C /etc/x/main.cf", SendmailOptions(directory="/etc/x")),
        ("-c a@b.example", SendmailOptions(recipients=["a@b.example"])),
        ("-o queue_directory=/x", SendmailOptions(overrides=["queue_directory=/x"])),
        ("-O requiretls=YES -O smtputf8=no -O Timeout=5", SendmailOptions(requiretls=True, smtputf8=False)),
    ],
)
def test_command_lines(line: str, expected: SendmailOptions) -> None:
    assert parse_sendmail(line.split()) == expected


@pytest.mark.parametrize(
    "line",
    [
        "-f", "-Z", "--queue", "-bz", "-bd", "-bl", "-bv", "-N", "-N often", "-N never,delay", "-R some", "-B 9bit", "-qI",
        "-qSx", "-N ,", "-O requiretls=maybe", "-O smtputf8", "-XV", "-XV+=", "-X V+=",
    ],
)
def test_wrong_usage(line: str) -> None:
    with pytest.raises(WrongUsage):
        parse_sendmail(line.split())


@given(st.lists(st.text(max_size=6), max_size=6))
def test_any_command_line_is_understood_or_refused(arguments: list[str]) -> None:
    try:
        parse_sendmail(arguments)
    except WrongUsage:
        pass


@given(st.lists(st.text(max_size=6), max_size=6))
def test_behind_two_dashes_there_are_recipients_only(arguments: list[str]) -> None:
    assert parse_sendmail(["--", *arguments]).recipients == arguments


def test_a_word_names_a_directory_only_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_sendmail(["-c", "etc", "joe"]) == SendmailOptions(recipients=["etc", "joe"])
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "main.cf").touch()
    assert parse_sendmail(["-c", "etc", "joe"]) == SendmailOptions(directory="etc", recipients=["joe"])
