"""`mailrider config` beside postconf(1): recorded answers, and live ones where Postfix 3.7 is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mailrider.cli.config import config
from mailrider.errors import WrongConfiguration
from mailrider.settings import Settings
from settings.configurations import CASES, FATAL, Case
from settings.postconf import ask_postconf, ask_postconf_or_fatal, needs_postconf, write_configuration

DEFAULTS = Path(__file__).parents[1] / "settings" / "defaults-3.7.txt"

MACHINE = frozenset({"myhostname", "mydomain", "mynetworks", "config_directory", "process_id", "process_name", "service_name"})
"""What depends on the machine or on the process."""


pytestmark = pytest.mark.usefixtures("no_configuration")


def titles(case: Case) -> str:
    return case.title


def ask(*arguments: str) -> str:
    """What the command prints; raises what it raises."""
    return str(CliRunner().invoke(config, arguments, catch_exceptions=False).stdout)


def recorded_defaults() -> dict[str, str]:
    return {line.partition(" =")[0]: line for line in DEFAULTS.read_text("utf-8").splitlines()}


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 40
    assert sum(case.answer == FATAL for case in CASES) >= 5


@pytest.mark.parametrize("case", CASES, ids=titles)
def test_values_are_printed_as_recorded(case: Case, tmp_path: Path) -> None:
    directory = str(write_configuration(tmp_path, case.main_cf))
    if case.answer == FATAL:
        with pytest.raises(WrongConfiguration):
            ask("-c", directory, "-x", *case.names)
    else:
        assert ask("-c", directory, "-x", *case.names) == case.answer


@needs_postconf
@pytest.mark.parametrize("case", CASES, ids=titles)
def test_postconf_still_says_what_was_recorded(case: Case, tmp_path: Path) -> None:
    directory = str(write_configuration(tmp_path, case.main_cf))
    assert (ask_postconf_or_fatal("-c", directory, "-x", *case.names) or FATAL) == case.answer


def test_defaults_are_printed_as_recorded() -> None:
    wanted = {name: line for name, line in recorded_defaults().items() if name not in MACHINE}
    assert len(wanted) > 370
    assert ask("-d", *wanted).splitlines() == list(wanted.values())


@needs_postconf
def test_defaults_are_printed_as_postconf_does() -> None:
    theirs = {line.partition(" =")[0]: line for line in ask_postconf("-d").splitlines()}
    names = [name for name in Settings.listed_names() if name in theirs and name not in MACHINE]
    assert len(names) > 370
    assert ask("-d", *names).splitlines() == [theirs[name] for name in names]


@needs_postconf
@pytest.mark.parametrize("options", [("-n",), ("-nh",), ("-nx",)])
def test_what_is_set_is_printed_as_postconf_does(options: tuple[str, ...], tmp_path: Path) -> None:
    mine = "mine = $mine2\nmine2 =\n"
    others = "smtpd_etrn_restrictions = $mine\nsmtp_helo_timeout=5\n"
    main_cf = f"relayhost = [mx.$mydomain]:25,\n  [b]\nmydomain = a.example\n{others}{mine}"
    directory = str(write_configuration(tmp_path, main_cf))
    assert ask("-c", directory, *options) == ask_postconf("-c", directory, *options)
