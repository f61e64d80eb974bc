"""Whose conversations the log of a command tells."""

from __future__ import annotations

import pytest

from mailrider.cli.text_log import open_text_log
from mailrider.events import Observer, Warned
from mailrider.machine import read_settings
from mailrider.observe.text import TextLog


def open_with(*overrides: str, verbose: bool = False) -> tuple[Observer, list[str]]:
    lines: list[str] = []
    return open_text_log(read_settings(None, overrides), lines.append, verbose=verbose), lines


def test_without_a_wish_there_is_nothing_between_events_and_lines() -> None:
    log, _ = open_with()
    assert isinstance(log, TextLog)


@pytest.mark.parametrize(("overrides", "verbose"), [(("debug_peer_list=192.0.2.1",), False), ((), True)])
def test_who_wants_conversations_gets_the_lines_as_well(overrides: tuple[str, ...], verbose: bool) -> None:
    log, lines = open_with(*overrides, verbose=verbose)
    assert not isinstance(log, TextLog)
    log(Warned("careful"))
    assert [line for line in lines if "careful" in line] == ["warning: careful"]
